// How long callers wait.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { failure, took } from './support/failure.mjs'
import { holder, leasehold, scratch, sleep } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, withFileLock, withFileLockSync } = leasehold

const ways = {
  withFileLock: (path, timeoutMs) => withFileLock(path, { timeoutMs }, () => assert.fail('it got the lock')),
  acquireFileLock: (path, timeoutMs) => acquireFileLock(path, { timeoutMs }),
  acquireSessionWriteLock: (sessionFile, timeoutMs) => acquireSessionWriteLock({ sessionFile, timeoutMs }),
  acquireFileLockSync: async (path, timeoutMs) => acquireFileLockSync(path, { timeoutMs }),
  withFileLockSync: async (path, timeoutMs) =>
    withFileLockSync(path, { timeoutMs }, () => assert.fail('it got the lock')),
}

// Most of these wait most of the time.
describe('timeout', { concurrency: 8 }, () => {
  for (const [name, ask] of Object.entries(ways)) {
    test(`${name} waits for another process as long as it was told`, async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      took(await failure(() => ask(path, 300)), 300)
    })

    if (!name.endsWith('Sync')) {
      test(`${name} waits for a task of this process as long as it was told`, async (t) => {
        const path = join(scratch(t), 'file')
        const handle = await acquireFileLock(path)
        took(await failure(() => ask(path, 300)), 300)
        await handle.release()
      })
    }
  }

  test('every waiter has a limit of its own', async (t) => {
    const path = join(scratch(t), 'file')
    await holder(t, path)
    const limits = [600, 100, 350, 20]
    const failures = await Promise.all(limits.map((timeoutMs) => failure(() => acquireFileLock(path, { timeoutMs }))))
    for (const [index, each] of failures.entries()) took(each, limits[index])
  })

  test('without a limit of its own a call waits ten seconds', async (t) => {
    const path = join(scratch(t), 'file')
    await holder(t, path)
    const failures = await Promise.all([
      failure(() => acquireFileLock(path)),
      failure(() => withFileLock(path, () => {})),
      failure(() => acquireFileLock(path, { retries: { factor: 2 } })),
      failure(() => acquireSessionWriteLock({ sessionFile: path })),
    ])
    for (const each of failures) took(each, 10_000)
  })

  test('Infinity waits for as long as it takes', async (t) => {
    const path = join(scratch(t), 'file')
    const other = await holder(t, path)
    const asked = [
      acquireFileLock(path, { timeoutMs: Infinity, reentrantOwner: 'us' }),
      acquireFileLock(path, { timeoutMs: Number.MAX_VALUE, reentrantOwner: 'us' }),
      acquireSessionWriteLock({ sessionFile: path, timeoutMs: Infinity }),
    ]
    // Longer than the default.
    assert.equal(await Promise.race([...asked, sleep(10_500)]), undefined)
    await other.release()
    for (const each of asked) await (await each).release()
  })

  for (const [what, options] of [
    ['timeoutMs: 0', { timeoutMs: 0 }],
    ['retries: 0', { retries: { retries: 0, factor: 2, minTimeout: 10_000, maxTimeout: 10_000 } }],
    ['timeoutMs: 0 and many retries', { timeoutMs: 0, retries: { retries: 100, minTimeout: 1000 } }],
    ['retries: 0 and a long timeoutMs', { timeoutMs: 60_000, retries: { retries: 0 } }],
  ]) {
    test(`${what} fails at once where the lock is held`, async (t) => {
      const root = scratch(t)
      const ours = await acquireFileLock(join(root, 'ours'))
      await holder(t, join(root, 'theirs'))
      for (const path of [join(root, 'ours'), join(root, 'theirs')]) {
        took(await failure(() => acquireFileLock(path, options)), 0)
      }
      took(await failure(async () => acquireFileLockSync(join(root, 'theirs'), options)), 0)
      await ours.release()
    })

    test(`${what} gets a free lock, even in a directory that was never used before`, async (t) => {
      const root = scratch(t)
      for (let round = 0; round < 20; round += 1) {
        await (await acquireFileLock(join(root, `async-${round}`, 'file'), options)).release()
        acquireFileLockSync(join(root, `sync-${round}`, 'file'), options).releaseSync()
      }
    })
  }

  test('a limit of a millisecond is no obstacle to a lock that is free', async (t) => {
    const root = scratch(t)
    for (let round = 0; round < 20; round += 1) {
      const path = join(root, `new-${round}`, 'file')
      await (await acquireFileLock(path, { timeoutMs: 1 })).release()
      await (await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 1 })).release()
    }
  })

  test('retries are an upper bound: the sum of their gaps', async (t) => {
    const path = join(scratch(t), 'file')
    await holder(t, path)
    const bounds = [
      [300, { retries: 3, factor: 1, minTimeout: 100, maxTimeout: 100 }],
      [350, { retries: 3, factor: 2, minTimeout: 50, maxTimeout: 10_000 }],
      [170, { retries: 3, factor: 2, minTimeout: 50, maxTimeout: 60 }],
      [300, { retries: 3, factor: 1, minTimeout: 50, maxTimeout: 100, randomize: true }],
      [100, { retries: 2 }],
    ]
    const failures = await Promise.all(bounds.map(([, retries]) => failure(() => acquireFileLock(path, { retries }))))
    for (const [index, each] of failures.entries()) took(each, bounds[index][0])
  })

  test('the tighter one of retries and timeoutMs counts', async (t) => {
    const path = join(scratch(t), 'file')
    await holder(t, path)
    const gaps = { factor: 1, minTimeout: 200, maxTimeout: 200 }
    took(await failure(() => acquireFileLock(path, { timeoutMs: 60_000, retries: { retries: 1, ...gaps } })), 200)
    took(await failure(() => acquireFileLock(path, { timeoutMs: Infinity, retries: { retries: 1, ...gaps } })), 200)
    took(await failure(() => acquireFileLock(path, { timeoutMs: 200, retries: { retries: 1000, ...gaps } })), 200)
  })

  test('the gaps between retries are not slept through', async (t) => {
    const path = join(scratch(t), 'file')
    const other = await holder(t, path)
    const retries = { retries: 1, factor: 1, minTimeout: 60_000, maxTimeout: 60_000 }
    const asked = acquireFileLock(path, { retries })
    await other.release()
    const start = performance.now()
    await (await asked).release()
    assert.ok(performance.now() - start < 30_000)
  })

  test('a waiter whose time is over leaves nothing, and is no loss to the others', async (t) => {
    const root = scratch(t)
    const path = join(root, 'file')
    const other = await holder(t, path)
    const short = Array.from({ length: 20 }, () => failure(() => acquireFileLock(path, { timeoutMs: 50 })))
    const long = acquireFileLock(path, { timeoutMs: 60_000 })
    for (const each of await Promise.all(short)) took(each, 50)
    assert.deepEqual(readdirSync(root), ['file.lock'])
    await other.release()
    await (await long).release()
    assert.deepEqual(readdirSync(root), [])
  })
})
