// A call that could only wait for itself fails at once.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { holder, leasehold, scratch, worker } from './support/index.mjs'
import { outside } from './support/outside.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock } = leasehold
const { LockDeadlockError, withFileLock, withFileLockSync } = leasehold
const LATER = { timeoutMs: 20_000 }
const session = (sessionFile, options) => acquireSessionWriteLock({ sessionFile, ...LATER, ...options })

test('a nested call that could only wait for its ancestor fails at once', async (t) => {
  const path = join(scratch(t), 'file')
  const deadlock = (error) => {
    assert.ok(error instanceof LockDeadlockError)
    assert.equal(error.code, 'file_lock_deadlock')
    assert.equal(error.lockPath, `${path}.lock`)
    return true
  }
  // Waiting would end in a different error, or never.
  await withFileLock(path, async (handle) => {
    await assert.rejects(session(path, { allowReentrant: false, timeoutMs: Infinity }), deadlock)
    await pause(1)
    await assert.rejects(session(path, { allowReentrant: false, timeoutMs: Infinity }), deadlock)
    handle.assertHeld()
  })
})

test('a blocking call for a lock that this thread holds fails at once', async (t) => {
  const path = join(scratch(t), 'file')
  const deadlock = (error) => {
    assert.ok(error instanceof LockDeadlockError)
    assert.equal(error.code, 'file_lock_deadlock')
    return true
  }
  const holders = [
    () => acquireFileLock(path),
    () => acquireFileLockSync(path),
    () => session(path),
    () => session(path, { allowReentrant: false }),
  ]
  for (const hold of holders) {
    const handle = await hold()
    assert.throws(() => acquireFileLockSync(path, LATER), deadlock)
    assert.throws(() => withFileLockSync(path, LATER, () => assert.fail('got in')), deadlock)
    handle.assertHeld()
    await handle.release()
    acquireFileLockSync(path, LATER).releaseSync()
  }
  await withFileLock(path, () => outside(() => assert.throws(() => acquireFileLockSync(path, LATER), deadlock)))
  // The request may have been granted by the time the blocking call looks, or may still be pending.
  const asked = acquireFileLock(path)
  assert.throws(() => acquireFileLockSync(path, LATER), deadlock)
  await (await asked).release()
})

test('a blocking call waits for another thread and another process', async (t) => {
  const path = join(scratch(t), 'file')
  const hold = async ({ leasehold, send, next, args: { path } }) => {
    const handle = await leasehold.acquireFileLock(path)
    send({ held: true })
    await next('release')
    setTimeout(() => handle.release(), 100)
  }
  const thread = worker(t, hold, { args: { path } })
  await thread.next('held')
  thread.send({ release: true })
  acquireFileLockSync(path, LATER).releaseSync()
  const process = await holder(t, path)
  // A waiting task of this thread would block the call for ever if it were served first.
  const task = acquireFileLock(path, LATER)
  process.send({ release: true })
  acquireFileLockSync(path, LATER).releaseSync()
  await (await task).release()
})
