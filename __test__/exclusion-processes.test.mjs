// Only one process at a time is inside, whichever lock functions they use.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, holder, leasehold, scratch } from './support/index.mjs'

/**
 * In a child: `rounds` increments of a counter file by reading and writing it, in `tasks` concurrent tasks.
 * The process logs before and after each, so that an overlap shows even where no increment is lost.
 */
async function increment({ leasehold, send, begin, args }) {
  const { counter, log, rounds, tasks, ways, options } = args
  const { appendFileSync, readFileSync, writeFileSync } = await import('node:fs')
  const { readFile, writeFile } = await import('node:fs/promises')
  const inside = async (name) => {
    appendFileSync(log, `+${name}\n`)
    const value = Number(await readFile(counter, 'utf8'))
    await writeFile(counter, String(value + 1))
    appendFileSync(log, `-${name}\n`)
  }
  const insideSync = (name) => {
    appendFileSync(log, `+${name}\n`)
    writeFileSync(counter, String(Number(readFileSync(counter, 'utf8')) + 1))
    appendFileSync(log, `-${name}\n`)
  }
  const finallyReleased = async (handle, name) => {
    try {
      await inside(name)
    } finally {
      await handle.release()
    }
  }
  const wait = { timeoutMs: 60_000, ...options }
  const enter = {
    with: (name) => leasehold.withFileLock(counter, wait, () => inside(name)),
    acquire: async (name) => finallyReleased(await leasehold.acquireFileLock(counter, wait), name),
    session: async (name) =>
      finallyReleased(await leasehold.acquireSessionWriteLock({ sessionFile: counter, timeoutMs: 60_000 }), name),
    withSync: async (name) => leasehold.withFileLockSync(counter, wait, () => insideSync(name)),
    acquireSync: async (name) => {
      const handle = leasehold.acquireFileLockSync(counter, wait)
      try {
        insideSync(name)
      } finally {
        handle.releaseSync()
      }
    },
  }
  const task = async (number) => {
    for (let round = 0; round < rounds; round += 1) {
      await enter[ways[(round + number) % ways.length]](`${process.pid}.${number}.${round}`)
    }
  }
  await begin()
  await Promise.all(Array.from({ length: tasks }, (_, number) => task(number)))
  send({ done: true })
}

async function race(t, children) {
  const directory = scratch(t)
  const counter = join(directory, 'counter')
  const log = join(directory, 'log')
  writeFileSync(counter, '0')
  writeFileSync(log, '')
  const started = children.map((args) => child(t, increment, { args: { counter, log, ...args } }))
  await Promise.all(started.map((each) => each.next('ready')))
  for (const each of started) each.send({ start: true })
  await Promise.all(started.map((each) => each.next('done', { timeoutMs: 120_000 })))
  const expected = children.reduce((sum, { rounds, tasks }) => sum + rounds * tasks, 0)
  assert.equal(Number(readFileSync(counter, 'utf8')), expected, 'increments were lost')
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
  assert.equal(lines.length, 2 * expected)
  for (let entry = 0; entry < lines.length; entry += 2) {
    assert.equal(lines[entry][0], '+')
    assert.equal(lines[entry + 1], `-${lines[entry].slice(1)}`, `somebody came in between: line ${entry + 1}`)
  }
  // The processes took turns while the others were at it: it was a real race.
  const turns = lines.filter((line) => line[0] === '+').map((line) => line.split('.')[0])
  const changes = turns.filter((pid, index) => pid !== turns[index - 1]).length
  assert.ok(changes > children.length, 'the processes ran one after the other, and the test showed nothing')
  return { directory, counter }
}

test('no increment is lost between processes, whichever functions they use', async (t) => {
  const ways = ['with', 'acquire', 'session', 'withSync', 'acquireSync']
  const { directory } = await race(
    t,
    [0, 1, 2, 3].map((first) => ({ rounds: 100, tasks: 1, ways: [...ways.slice(first), ...ways.slice(0, first)] })),
  )
  assert.deepEqual(readdirSync(directory).sort(), ['counter', 'log'], 'something stayed behind')
})

test('no increment is lost between several tasks of several processes', async (t) => {
  await race(t, [1, 2, 3].map(() => ({ rounds: 20, tasks: 5, ways: ['with', 'acquire'] })))
})

test('those that keep the lock file exclude each other, and those that remove it', async (t) => {
  const keep = { rounds: 80, tasks: 1, ways: ['with', 'acquireSync'], options: { keepLockFile: true } }
  await race(t, [keep, keep, { ...keep, options: {} }])
})

test('a lock held elsewhere is not to be had, by any function', async (t) => {
  const path = join(scratch(t), 'file')
  const other = await holder(t, path)
  const at = { code: 'file_lock_timeout' }
  const soon = { timeoutMs: 100 }
  const never = () => assert.fail('got in')
  await assert.rejects(leasehold.withFileLock(path, soon, never), at)
  await assert.rejects(leasehold.acquireFileLock(path, soon), at)
  await assert.rejects(leasehold.acquireSessionWriteLock({ sessionFile: path, timeoutMs: 100 }), {
    code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT',
  })
  assert.throws(() => leasehold.withFileLockSync(path, soon, never), at)
  assert.throws(() => leasehold.acquireFileLockSync(path, soon), at)
  await other.release()
  await leasehold.withFileLock(path, soon, () => {})
})

test('locks of different files have nothing to do with each other', async (t) => {
  const directory = scratch(t)
  const other = await holder(t, join(directory, 'one'))
  await leasehold.withFileLock(join(directory, 'two'), () => {})
  await other.release()
})
