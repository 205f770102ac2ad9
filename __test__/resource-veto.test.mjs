// assertResourceUnborrowed: called before a lock is asked for, at the removal of a stale one, once the lock is held
// and at its release; it refuses by throwing.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'
import { noDirectoryLinks } from './support/platform.mjs'

const { acquireFileLock, acquireFileLockSync, heldLocks, withFileLock, withFileLockSync } = leasehold
const borrowed = new Error('it is borrowed')
const SOON = { timeoutMs: 150 }

const ways = {
  withFileLock: (path, options) => withFileLock(path, options, () => {}),
  acquireFileLock: async (path, options) => (await acquireFileLock(path, options)).release(),
  withFileLockSync: async (path, options) => withFileLockSync(path, options, () => {}),
  acquireFileLockSync: async (path, options) => acquireFileLockSync(path, options).releaseSync(),
}

/** A veto that notes what it is called with, and refuses from its `nth` call on. */
function veto(nth = Infinity) {
  const calls = []
  const assertResourceUnborrowed = (...given) => {
    calls.push(given)
    if (calls.length >= nth) throw borrowed
  }
  return { calls, assertResourceUnborrowed }
}

/** A directory, and the path of a file in it that leads through a link, where links are possible. */
function linked(t) {
  const root = scratch(t)
  mkdirSync(join(root, 'real'))
  if (!noDirectoryLinks) symlinkSync('real', join(root, 'link'), 'dir')
  const real = join(root, 'real', 'file')
  return { root, given: noDirectoryLinks ? real : join(root, 'link', 'file'), real }
}

for (const [name, way] of Object.entries(ways)) {
  test(`${name} asks before it looks, once it has the lock, and when it releases`, async (t) => {
    const { given, real } = linked(t)
    const { calls, assertResourceUnborrowed } = veto()
    await way(given, { assertResourceUnborrowed })
    assert.deepEqual(calls, [[given], [real], [real]])
  })

  test(`${name} does nothing when it is refused beforehand`, async (t) => {
    const root = scratch(t)
    const { assertResourceUnborrowed } = veto(1)
    const refused = way(join(root, 'missing', 'file'), { assertResourceUnborrowed })
    await assert.rejects(refused, (error) => error === borrowed)
    assert.deepEqual(readdirSync(root), [])
  })

  test(`${name} gives the lock back when it is refused after it had it`, async (t) => {
    const { given, real } = linked(t)
    const { assertResourceUnborrowed } = veto(2)
    await assert.rejects(way(given, { assertResourceUnborrowed }), (error) => error === borrowed)
    assert.equal(existsSync(`${real}.lock`), false)
    assert.deepEqual(heldLocks(), [])
    await withFileLock(given, SOON, () => {})
  })

  test(`${name} leaves a stale lock alone when its removal is refused`, async (t) => {
    const { given, real } = linked(t)
    const stale = JSON.stringify({ pid: 4_000_000, createdAt: '2020-01-01T00:00:00.000Z' })
    writeFileSync(`${real}.lock`, stale)
    const { calls, assertResourceUnborrowed } = veto(2)
    await assert.rejects(way(given, { assertResourceUnborrowed }), (error) => error === borrowed)
    assert.deepEqual(calls.at(-1), [real])
    assert.equal(readFileSync(`${real}.lock`, 'utf8'), stale)
  })
}

test('a refused release keeps the lock, and can be tried again', async (t) => {
  const path = join(scratch(t), 'file')
  let refuse = false
  const handle = await acquireFileLock(path, {
    assertResourceUnborrowed: () => {
      if (refuse) throw borrowed
    },
  })
  refuse = true
  for (const again of [1, 2]) await assert.rejects(handle.release(), (error) => error === borrowed, String(again))
  handle.assertHeld()
  assert.ok(existsSync(handle.lockPath))
  refuse = false
  await handle.release()
  assert.equal(existsSync(handle.lockPath), false)
  refuse = true
  await handle.release()
})

test('a refused synchronous release keeps the lock, too', async (t) => {
  const path = join(scratch(t), 'file')
  let refuse = false
  const assertResourceUnborrowed = () => {
    if (refuse) throw borrowed
  }
  for (const acquire of [acquireFileLock, acquireFileLockSync]) {
    const handle = await acquire(path, { assertResourceUnborrowed })
    refuse = true
    assert.throws(() => handle.releaseSync(), (error) => error === borrowed)
    if (Symbol.dispose) assert.throws(() => handle[Symbol.dispose](), (error) => error === borrowed)
    handle.assertHeld()
    refuse = false
    handle.releaseSync()
    refuse = true
    handle.releaseSync()
    await handle.release()
    refuse = false
  }
})

test('a release that is refused after fn is the error of the call', async (t) => {
  const path = join(scratch(t), 'file')
  let kept
  const { assertResourceUnborrowed } = veto(3)
  const call = withFileLock(path, { assertResourceUnborrowed }, (handle) => void (kept = handle))
  await assert.rejects(call, (error) => error === borrowed)
  kept.assertHeld()
  leasehold.releaseAllLocksSync()
})

test('fn and the release both failing is an AggregateError of the two', async (t) => {
  const path = join(scratch(t), 'file')
  const failure = new Error('fn failed')
  const both = (error) => {
    assert.ok(error instanceof AggregateError)
    assert.deepEqual(error.errors, [failure, borrowed])
    assert.equal(error.errors[0], failure)
    assert.equal(error.errors[1], borrowed)
    assert.equal(error.cause, borrowed)
    assert.equal(error.message, 'File operation failed and lock release is unresolved')
    return true
  }
  const fail = () => {
    throw failure
  }
  await assert.rejects(withFileLock(path, veto(3), fail), both)
  leasehold.releaseAllLocksSync()
  await assert.rejects(withFileLock(path, veto(3), async () => fail()), both)
  leasehold.releaseAllLocksSync()
  assert.throws(() => withFileLockSync(path, veto(3), fail), both)
  leasehold.releaseAllLocksSync()
})

for (const [name, way] of Object.entries(ways)) {
  for (const [when, nth] of [['beforehand', 1], ['about a stale lock', 2]]) {
    test(`${name} waits for nobody once its caller, asked ${when}, has aborted`, async (t) => {
      const { given, real } = linked(t)
      const controller = new AbortController()
      const stale = JSON.stringify({ pid: 4_000_000, createdAt: '2020-01-01T00:00:00.000Z' })
      const holder = nth === 1 ? await acquireFileLock(given) : undefined
      if (!holder) writeFileSync(`${real}.lock`, stale)
      let calls = 0
      const assertResourceUnborrowed = () => {
        if (++calls === nth) controller.abort(borrowed)
      }
      // Without a limit: if it waited, it would do so for ever.
      const asked = way(given, { timeoutMs: Infinity, signal: controller.signal, assertResourceUnborrowed })
      await assert.rejects(asked, (error) => error === borrowed)
      assert.equal(calls, nth)
      if (holder) await holder.release()
      else assert.equal(readFileSync(`${real}.lock`, 'utf8'), stale)
    })
  }
}
