// Only one task of a process at a time is inside.

import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { holder, leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, acquireSessionWriteLock, withFileLock } = leasehold
const WAIT = { timeoutMs: 60_000 }

/** Work that notices any other work inside at the same time. */
function guarded() {
  let inside = 0
  let visits = 0
  return {
    get visits() {
      return visits
    },
    async visit() {
      inside += 1
      assert.equal(inside, 1, 'two tasks are inside')
      await turn()
      await turn()
      assert.equal(inside, 1, 'two tasks are inside')
      inside -= 1
      visits += 1
    },
  }
}

test('a thousand tasks that ask at once are inside one after the other', async (t) => {
  const path = join(scratch(t), 'file')
  const room = guarded()
  await Promise.all(Array.from({ length: 1000 }, () => withFileLock(path, WAIT, () => room.visit())))
  assert.equal(room.visits, 1000)
  assert.equal(existsSync(`${path}.lock`), false)
  assert.deepEqual(leasehold.heldLocks(), [])
})

test('a thousand tasks that wait for another process are inside one after the other', async (t) => {
  const path = join(scratch(t), 'file')
  const other = await holder(t, path)
  const room = guarded()
  const all = Promise.all(Array.from({ length: 1000 }, () => withFileLock(path, WAIT, () => room.visit())))
  await turn()
  assert.equal(room.visits, 0)
  await other.release()
  await all
  assert.equal(room.visits, 1000)
  assert.equal(existsSync(`${path}.lock`), false)
})

test('no increment is lost between tasks, whichever functions they use', async (t) => {
  const path = join(scratch(t), 'counter')
  writeFileSync(path, '0')
  const increment = async () => writeFile(path, String(Number(await readFile(path, 'utf8')) + 1))
  const held = async (asked) => {
    const handle = await asked
    try {
      await increment()
    } finally {
      await handle.release()
    }
  }
  const ways = [
    () => withFileLock(path, WAIT, increment),
    () => held(acquireFileLock(path, WAIT)),
    () => held(acquireSessionWriteLock({ sessionFile: path, allowReentrant: false, timeoutMs: 60_000 })),
  ]
  await Promise.all(Array.from({ length: 300 }, (_, index) => ways[index % ways.length]()))
  assert.equal(await readFile(path, 'utf8'), '300')
})

test('tasks keep out of each other however often each asks', async (t) => {
  const path = join(scratch(t), 'file')
  const room = guarded()
  const task = async () => {
    for (let round = 0; round < 50; round += 1) await withFileLock(path, WAIT, () => room.visit())
  }
  await Promise.all(Array.from({ length: 10 }, task))
  assert.equal(room.visits, 500)
})

test('locks of different files are held at the same time', async (t) => {
  const directory = scratch(t)
  const handles = await Promise.all(
    Array.from({ length: 200 }, (_, index) => acquireFileLock(join(directory, `file-${index}`))),
  )
  assert.equal(leasehold.heldLocks().length, 200)
  assert.equal(new Set(handles.map((handle) => handle.lockPath)).size, 200)
  await Promise.all(handles.map((handle) => handle.release()))
  assert.deepEqual(leasehold.heldLocks(), [])
})
