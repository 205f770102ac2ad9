// A lease beats without the event loop, for as long as it may be held and not a moment longer.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, sleep, until } from './support/index.mjs'
import { assertLost, assertTold, warningsAbout } from './support/losses.mjs'
import { onWine, patience } from './support/platform.mjs'

const SOON = 5000
/** On Windows each beat opens the file by its name. */
const TOO_MANY_FILES = onWine && 'wine closes nothing that was opened on a file with a lock before the lock is gone'
/** With more than a thousand leases, beats are done in batches. */
const CROWD = 1200

/** What the lock file says, and when it was last touched. */
function beatOf(lockPath) {
  const { createdAt, leasehold } = JSON.parse(readFileSync(lockPath, 'utf8'))
  return { createdAt: Date.parse(createdAt), acquiredAt: leasehold.acquiredAt, touched: statSync(lockPath).mtimeMs }
}

describe('heartbeat', { concurrency: 4 }, () => {
  test('an event loop that is blocked for 5 s keeps its lease of 1 s', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, send, next, args: { path } }) => {
        const lock = await leasehold.acquireFileLock(path, { leaseMs: 1000 })
        send({ lockPath: lock.lockPath })
        const until = performance.now() + 5000
        while (performance.now() < until);
        lock.assertHeld()
        send({ held: lock.held && !lock.signal.aborted })
        await next('release')
        await lock.release()
      },
      { args: { path } },
    )
    const { lockPath } = await holding.next('lockPath')
    let acquired = false
    const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000, leaseMs: 200 }).then((lock) => {
      acquired = true
      return lock
    })
    const first = beatOf(lockPath)
    const seen = { createdAt: new Set(), touched: new Set() }
    let blocked = true
    const unblocked = holding.next('held').then((answer) => {
      blocked = false
      return answer
    })
    while (blocked) {
      const { createdAt, acquiredAt, touched } = beatOf(lockPath)
      seen.createdAt.add(createdAt)
      seen.touched.add(touched)
      assert.equal(acquiredAt, first.acquiredAt, 'the truth does not move')
      assert.ok(!acquired, 'a waiter got in')
      await sleep(50)
    }
    assert.ok((await unblocked).held)
    // Beats are a third of a lease apart: about fifteen of them.
    assert.ok(seen.createdAt.size >= 5 && seen.touched.size >= 5, `${seen.createdAt.size}, ${seen.touched.size} beats`)
    assert.ok(!acquired)
    holding.send({ release: true })
    const lock = await waiting
    assert.equal(lock.recoveredFrom ?? null, null)
    await lock.release()
  })

  test('none of a crowd of leases misses its beats', { skip: TOO_MANY_FILES }, async (t) => {
    const directory = scratch(t)
    const leaseMs = 1500 * patience
    const holding = child(
      t,
      async ({ leasehold, send, next, args: { directory, leaseMs, count } }) => {
        const locks = []
        for (let number = 0; number < count; number += 1) {
          locks.push(await leasehold.acquireFileLock(`${directory}/${number}`, { leaseMs }))
        }
        send({ held: true })
        await next('check')
        send({ lost: locks.filter(({ held, signal }) => !held || signal.aborted).length })
      },
      { args: { directory, leaseMs, count: CROWD } },
    )
    await holding.next('held')
    // A lease without beats would be theirs after itself and two beats: five thirds of a lease.
    const waiting = [0, 1, 2, 3].map(async (part) => {
      const path = join(directory, String(Math.floor((part * (CROWD - 1)) / 3)))
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 4 * leaseMs })
      return lock.recoveredFrom
    })
    const outcomes = await Promise.allSettled(waiting)
    assert.deepEqual(outcomes.map(({ reason, value }) => reason?.code ?? value), Array(4).fill('file_lock_timeout'))
    holding.send({ check: true })
    assert.deepEqual(await holding.next('lost'), { lost: 0 })
  })

  test('maxHoldMs frees the lock of a process whose event loop is blocked for good', async (t) => {
    const path = join(scratch(t), 'file')
    const stuck = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        const lock = await leasehold.acquireFileLock(path, { maxHoldMs: 700 })
        send({ token: lock.token })
        for (;;);
      },
      { args: { path } },
    )
    const { token } = await stuck.next('token')
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    assert.ok(lock.token > BigInt(token), `${lock.token} after ${token}`)
    assert.equal(stuck.process.exitCode, null, 'it is still at it')
    await sleep(100)
    lock.assertHeld()
    await lock.release()
  })

  test('a holder that was blocked past maxHoldMs learns it before its next guarded action', async (t) => {
    const path = join(scratch(t), 'file')
    const one = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        const { existsSync } = await import('node:fs')
        const lock = await leasehold.acquireFileLock(path, { maxHoldMs: 300 })
        const until = performance.now() + 20_000
        while (existsSync(lock.lockPath) && performance.now() < until);
        // No callback has run since: assertHeld knows of the loss all the same.
        let thrown
        try {
          lock.assertHeld()
        } catch (error) {
          thrown = { code: error.code, reason: error.reason }
        }
        const appended = lock.appendFile('too late\n').then(() => 'appended', ({ code }) => code)
        const { held, signal: { aborted } } = lock
        send({ thrown, held, aborted, appended: await appended, exists: existsSync(path) })
        await lock.release()
      },
      { args: { path } },
    )
    assert.deepEqual(await one.next('held'), {
      thrown: { code: 'file_lock_lost', reason: 'max-hold' },
      held: false,
      aborted: true,
      appended: 'file_lock_lost',
      exists: false,
    })
    assert.equal((await one.exit).code, 0)
  })

  test('maxHoldMs takes the lock from work that never settles, and tells it', async (t) => {
    const path = join(scratch(t), 'file')
    const warnings = warningsAbout(t, `${path}.lock`)
    let handle
    let finish
    const outcome = leasehold.withFileLock(path, { maxHoldMs: 400, label: 'the stuck one' }, (lock) => {
      handle = lock
      void lock.signal // somebody listens
      return new Promise((resolve) => (finish = resolve))
    })
    const next = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    await until(() => handle.signal.aborted)
    assertTold(handle, 'max-hold')
    assert.ok(handle.signal.reason.heldForMs >= 400)
    assert.equal(handle.signal.reason.label, 'the stuck one')
    assert.ok(next.token > handle.token)
    const warning = await until(() => warnings[0])
    assert.equal(warning.code, 'LEASEHOLD_LOCK_LOST')
    assert.match(warning.message, /the stuck one/)
    await assert.rejects(handle.appendFile('x'), { code: 'file_lock_lost' })
    assert.ok(!existsSync(path), 'and nothing was written')

    finish('late')
    await assert.rejects(outcome, (error) => assertLost(error, handle, 'max-hold'))
    await handle.release()
    next.assertHeld()
    assert.ok(existsSync(next.lockPath), 'a late release leaves the successor alone')
    await next.release()
    assert.equal(warnings.length, 1)
  })

  test('work that fails after its lock was lost rejects with the loss, and its own error as the cause', async (t) => {
    const path = join(scratch(t), 'file')
    const failure = new Error('its own')
    const outcome = leasehold.withFileLock(path, { maxHoldMs: 200 }, async (lock) => {
      await until(() => lock.signal.aborted)
      throw failure
    })
    await assert.rejects(outcome, (error) => {
      assert.ok(error instanceof leasehold.LockLostError)
      assert.equal(error.cause, failure)
      return true
    })
  })

  test('maxHoldMs counts for session locks, and for every handle that shares one', async (t) => {
    const sessionFile = join(scratch(t), 'session.jsonl')
    const first = await leasehold.acquireSessionWriteLock({ sessionFile, maxHoldMs: 300 })
    const second = await leasehold.acquireSessionWriteLock({ sessionFile, maxHoldMs: 3_000_000 })
    const signals = [first.signal, second.signal]
    await until(() => signals.every((signal) => signal.aborted))
    for (const handle of [first, second]) assertTold(handle, 'max-hold')
    const next = await leasehold.acquireSessionWriteLock({ sessionFile, timeoutMs: SOON })
    assert.ok(next.token > first.token)
    await first.release()
    await second.release()
    next.assertHeld()
    await next.release()
  })

  test('withFileLockSync throws the loss of a lock held past maxHoldMs', async (t) => {
    const path = join(scratch(t), 'file')
    const work = (lock) => {
      const limit = performance.now() + 20_000
      while (existsSync(lock.lockPath) && performance.now() < limit);
    }
    assert.throws(() => leasehold.withFileLockSync(path, { maxHoldMs: 200 }, work), { reason: 'max-hold' })
  })

  test('without a limit a lock is held for as long as it takes', async (t) => {
    const path = join(scratch(t), 'file')
    const lock = await leasehold.acquireFileLock(path, { maxHoldMs: Infinity, leaseMs: 200 })
    await sleep(1500)
    lock.assertHeld()
    await lock.release()
  })
})
