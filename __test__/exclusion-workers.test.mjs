// Only one thread of a process at a time is inside, and a thread that ends leaves nothing behind.

import assert from 'node:assert/strict'
import { existsSync, writeFileSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, sleep, worker } from './support/index.mjs'

const { acquireFileLock, heldLocks, withFileLock } = leasehold

/** In a worker: holds the lock of `args.path` until the worker ends. */
async function hold({ leasehold, send, next, args: { path } }) {
  const handle = await leasehold.acquireFileLock(path)
  send({ held: handle.lockPath })
  await next('never')
  await handle.release()
}

/** In a worker: increments the counter `args.path`, `args.rounds` times, with blocking and non-blocking calls. */
async function increment({ leasehold, send, args: { path, rounds } }) {
  const { readFileSync, writeFileSync } = await import('node:fs')
  const { readFile, writeFile } = await import('node:fs/promises')
  const wait = { timeoutMs: 60_000 }
  for (let round = 0; round < rounds; round += 1) {
    if (round % 3 === 0) {
      leasehold.withFileLockSync(path, wait, () => {
        writeFileSync(path, String(Number(readFileSync(path, 'utf8')) + 1))
      })
    } else {
      await leasehold.withFileLock(path, wait, async () => {
        await writeFile(path, String(Number(await readFile(path, 'utf8')) + 1))
      })
    }
  }
  send({ done: true })
}

test('no increment is lost between workers, the main thread and another process', async (t) => {
  const path = join(scratch(t), 'counter')
  writeFileSync(path, '0')
  const args = { path, rounds: 100 }
  const others = [1, 2, 3].map(() => worker(t, increment, { args }))
  others.push(child(t, increment, { args }))
  for (let round = 0; round < 100; round += 1) {
    await withFileLock(path, { timeoutMs: 60_000 }, async () => {
      await writeFile(path, String(Number(await readFile(path, 'utf8')) + 1))
    })
  }
  await Promise.all(others.map((other) => other.next('done')))
  assert.equal(readFileSync(path, 'utf8'), '500')
  assert.equal(existsSync(`${path}.lock`), false)
})

test('workers hold the locks of different files at the same time', async (t) => {
  const directory = scratch(t)
  const paths = [0, 1, 2, 3].map((index) => join(directory, `file-${index}`))
  const workers = paths.map((path) => worker(t, hold, { args: { path } }))
  for (const each of workers) await each.next('held')
  assert.deepEqual(heldLocks().map((held) => held.targetPath).sort(), paths)
  assert.ok(heldLocks().every((held) => !held.inThisThread))
})

test('a terminated worker gives its lock back at once to the main thread', async (t) => {
  const path = join(scratch(t), 'file')
  const other = worker(t, hold, { args: { path } })
  await other.next('held')
  const asked = acquireFileLock(path, { timeoutMs: 60_000 })
  await other.terminate()
  const ended = performance.now()
  const handle = await asked
  assert.ok(performance.now() - ended < 5000, 'it waited for more than the end of the worker')
  handle.assertHeld()
  assert.equal(heldLocks().length, 1)
  await handle.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test('the lock files of a terminated worker are gone when terminate() resolves', async (t) => {
  const directory = scratch(t)
  const paths = [0, 1, 2].map((index) => join(directory, `file-${index}`))
  const other = worker(
    t,
    async ({ leasehold, send, next, args }) => {
      const [first, second, third] = args.paths
      const handle = await leasehold.acquireFileLock(first)
      const session = await leasehold.acquireSessionWriteLock({ sessionFile: second })
      await leasehold.withFileLock(third, async () => {
        send({ held: [handle.lockPath, session.lockPath] })
        await next('never')
      })
    },
    { args: { paths } },
  )
  await other.next('held')
  for (const path of paths) assert.ok(existsSync(`${path}.lock`))
  await other.terminate()
  for (const path of paths) assert.equal(existsSync(`${path}.lock`), false)
  assert.deepEqual(heldLocks(), [])
})

test('a lock of a terminated worker is had at once by another process', async (t) => {
  const path = join(scratch(t), 'file')
  const other = worker(t, hold, { args: { path } })
  await other.next('held')
  const waiter = child(
    t,
    async ({ leasehold, send, args }) => {
      const asked = leasehold.acquireFileLock(args.path, { timeoutMs: 60_000 })
      send({ asked: true })
      const handle = await asked
      send({ got: Date.now() })
      await handle.release()
    },
    { args: { path } },
  )
  await waiter.next('asked')
  await sleep(100)
  await other.terminate()
  const terminated = Date.now()
  const { got } = await waiter.next('got')
  assert.ok(got - terminated < 5000, `${got - terminated} ms after the end of the worker`)
})

test('a worker that blocks its event loop while it holds can be terminated', async (t) => {
  const path = join(scratch(t), 'file')
  const other = worker(
    t,
    async ({ leasehold, send, args }) => {
      leasehold.withFileLockSync(args.path, () => {
        send({ held: true })
        for (;;);
      })
    },
    { args: { path } },
  )
  await other.next('held')
  const asked = acquireFileLock(path, { timeoutMs: 60_000 })
  await other.terminate()
  await (await asked).release()
})

test('a worker that waits and is terminated holds nobody up', async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path)
  const waiting = worker(
    t,
    async ({ leasehold, send, args }) => {
      for (let index = 0; index < 5; index += 1) void leasehold.acquireFileLock(args.path, { timeoutMs: 60_000 })
      send({ asked: true })
    },
    { args: { path } },
  )
  await waiting.next('asked')
  const next = acquireFileLock(path, { timeoutMs: 60_000 })
  await waiting.terminate()
  await handle.release()
  const successor = await next
  successor.assertHeld()
  await successor.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

for (const [how, end] of [
  ['returns', () => {}],
  ['throws', () => { throw new Error('on purpose') }],
  ['calls process.exit()', () => process.exit(3)],
]) {
  test(`a worker that ${how} without releasing leaves no lock`, async (t) => {
    const path = join(scratch(t), 'file')
    const source = `async ({ leasehold, send, args }) => {
      globalThis.kept = await leasehold.acquireFileLock(args.path)
      send({ held: true })
      ;(${end})()
    }`
    const other = worker(t, source, { args: { path } })
    await other.next('held')
    await other.exit
    assert.equal(existsSync(`${path}.lock`), false)
    assert.deepEqual(heldLocks(), [])
  })
}

test('the end of a worker takes nothing from other threads', async (t) => {
  const directory = scratch(t)
  const [ours, theirs, gone] = ['ours', 'theirs', 'gone'].map((name) => join(directory, name))
  const handle = await acquireFileLock(ours)
  const stays = worker(t, hold, { args: { path: theirs } })
  const goes = worker(t, hold, { args: { path: gone } })
  await stays.next('held')
  await goes.next('held')
  await goes.terminate()
  handle.assertHeld()
  assert.deepEqual(heldLocks().map((held) => held.targetPath).sort(), [ours, theirs])
  await assert.rejects(acquireFileLock(theirs, { timeoutMs: 100 }), { code: 'file_lock_timeout' })
  await handle.release()
})

/** In a worker: shares the session lock of `args.path` until the worker is told to release it, or ends. */
async function share({ leasehold, send, next, args: { path } }) {
  const handle = await leasehold.acquireSessionWriteLock({ sessionFile: path })
  send({ held: handle.token })
  await next('release')
  await handle.release()
  send({ released: true })
}

for (const first of ['the worker', 'the main thread']) {
  test(`a worker that ends leaves a session lock to those who share it, had by ${first} first`, async (t) => {
    const path = join(scratch(t), 'file')
    const threads = {
      'the worker': async () => {
        const other = worker(t, share, { args: { path } })
        await other.next('held')
        return other
      },
      'the main thread': () => leasehold.acquireSessionWriteLock({ sessionFile: path }),
    }
    const second = Object.keys(threads).find((thread) => thread !== first)
    const had = { [first]: await threads[first]() }
    had[second] = await threads[second]()
    const handle = had['the main thread']
    const { signal } = handle
    await had['the worker'].terminate()
    assert.equal(signal.aborted, false)
    assert.ok(handle.held, 'the lock is lost')
    handle.assertHeld()
    assert.ok(existsSync(`${path}.lock`))
    await handle.release()
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('a lock that another thread holds is held in this process, says the timeout', async (t) => {
  const path = join(scratch(t), 'file')
  const other = worker(t, hold, { args: { path } })
  await other.next('held')
  await assert.rejects(acquireFileLock(path, { timeoutMs: 100 }), (error) => {
    assert.equal(error.code, 'file_lock_timeout')
    assert.equal(error.owner.pid, process.pid)
    assert.equal(error.owner.place, 'this-process')
    return true
  })
})
