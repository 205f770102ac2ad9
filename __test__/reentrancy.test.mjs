// A call in the holder's async call chain re-enters; other calls queue.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { leasehold, scratch } from './support/index.mjs'
import { outside } from './support/outside.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, heldLocks } = leasehold
const { withFileLock, withFileLockSync } = leasehold
const SOON = { timeoutMs: 150 }
const LATER = { timeoutMs: 20_000 }
const timeout = { code: 'file_lock_timeout' }
const handles = () => heldLocks().map((held) => held.handles)

const within = {
  'directly': (enter) => enter(),
  'after awaiting something': async (enter) => {
    await turn()
    return enter()
  },
  'from a timer': (enter) => new Promise((resolve, reject) => setTimeout(() => enter().then(resolve, reject), 1)),
  'from setImmediate': (enter) => new Promise((resolve, reject) => setImmediate(() => enter().then(resolve, reject))),
  'from a microtask': (enter) => new Promise((resolve, reject) => queueMicrotask(() => enter().then(resolve, reject))),
  'from a promise callback': (enter) => Promise.resolve().then(() => pause(1)).then(enter),
  'from an event': async (enter) => {
    const emitter = new EventEmitter()
    const entered = new Promise((resolve, reject) => emitter.once('go', () => enter().then(resolve, reject)))
    setTimeout(() => emitter.emit('go'), 1)
    return entered
  },
  'after an event': async (enter) => {
    const emitter = new EventEmitter()
    setTimeout(() => emitter.emit('go'), 1)
    await once(emitter, 'go')
    return enter()
  },
  'next to another nested call': async (enter) => {
    const [, result] = await Promise.all([enter(), enter()])
    return result
  },
}

for (const [how, nest] of Object.entries(within)) {
  test(`a nested call re-enters ${how}`, async (t) => {
    const path = join(scratch(t), 'file')
    const result = await withFileLock(path, (outer) =>
      nest(() =>
        withFileLock(path, SOON, async (inner) => {
          assert.equal(inner.token, outer.token)
          assert.notEqual(inner, outer)
          assert.equal(heldLocks().length, 1)
          await turn()
          return 'inner'
        }),
      ),
    )
    assert.equal(result, 'inner')
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('nested calls of every function re-enter, as deep as they like', async (t) => {
  const path = join(scratch(t), 'file')
  await withFileLock(path, async () => {
    await withFileLock(path, SOON, async () => {
      const handle = await acquireFileLock(path, SOON)
      const sync = acquireFileLockSync(path, SOON)
      const shared = await acquireSessionWriteLock({ sessionFile: path, ...SOON })
      withFileLockSync(path, SOON, () => assert.deepEqual(handles(), [6]))
      assert.deepEqual(handles(), [5])
      await shared.release()
      sync.releaseSync()
      await handle.release()
    })
    assert.deepEqual(handles(), [1])
  })
  withFileLockSync(path, () => {
    withFileLockSync(path, SOON, () => assert.deepEqual(handles(), [2]))
    acquireFileLockSync(path, SOON).releaseSync()
    assert.deepEqual(handles(), [1])
  })
  assert.equal(existsSync(`${path}.lock`), false)
})

test('a nested call re-enters while others wait', async (t) => {
  const path = join(scratch(t), 'file')
  const order = []
  let others
  await withFileLock(path, async () => {
    others = outside(() => withFileLock(path, LATER, () => void order.push('other')))
    await turn()
    await withFileLock(path, SOON, () => void order.push('nested'))
  })
  await others
  assert.deepEqual(order, ['nested', 'other'])
})

test('siblings queue: being in the same process, or in the same function, is not enough', async (t) => {
  const path = join(scratch(t), 'file')
  const inside = []
  const sibling = (name) =>
    withFileLock(path, LATER, async () => {
      inside.push(`+${name}`)
      await pause(5)
      inside.push(`-${name}`)
    })
  await Promise.all([sibling('a'), sibling('b'), sibling('c')])
  assert.deepEqual(inside, ['+a', '-a', '+b', '-b', '+c', '-c'])
  const handle = await acquireFileLock(path)
  await assert.rejects(acquireFileLock(path, SOON), timeout, 'a handle is no call chain')
  await handle.release()
})

test('work that outlives the lock it was started under queues like any other', async (t) => {
  const path = join(scratch(t), 'file')
  const gate = new EventEmitter()
  let straggler
  await withFileLock(path, () => {
    straggler = once(gate, 'open').then(() => acquireFileLock(path, SOON))
  })
  const handle = await acquireFileLock(path)
  gate.emit('open')
  await assert.rejects(straggler, timeout)
  handle.assertHeld()
  await handle.release()
})

test('a nested call for another file is a lock of its own', async (t) => {
  const root = scratch(t)
  await withFileLock(join(root, 'one'), async (outer) => {
    await withFileLock(join(root, 'two'), async (inner) => {
      assert.notEqual(inner.lockPath, outer.lockPath)
      assert.equal(heldLocks().length, 2)
      await withFileLock(join(root, 'one'), SOON, (again) => assert.equal(again.token, outer.token))
    })
  })
})

test('call chains that hold different locks do not enter each other\'s', async (t) => {
  const root = scratch(t)
  await withFileLock(join(root, 'one'), async () => {
    await outside(() =>
      withFileLock(join(root, 'two'), () => assert.rejects(acquireFileLock(join(root, 'one'), SOON), timeout)),
    )
  })
})
