// Row 6: work that was aborted and does not settle loses its lock after its grace.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, withFileLock } = leasehold

/** Neither holding a lock nor waiting to be told of its loss keeps a process alive: this does. */
function stayAlive(t) {
  const alive = setInterval(() => {}, 60_000)
  t.after(() => clearInterval(alive))
}

test('aborted work that goes on loses its lock after the grace, and is told', async (t) => {
  stayAlive(t)
  const path = join(scratch(t), 'file')
  const controller = new AbortController()
  let finish
  let handle
  const work = withFileLock(path, { signal: controller.signal, abortGraceMs: 100, label: 'importer' }, (lock) => {
    handle = lock
    return new Promise((resolve) => (finish = resolve))
  })
  const lost = new Promise((resolve) => {
    // Abort only once the work runs: acquiring may take a moment.
    const poll = setInterval(() => {
      if (!handle) return
      clearInterval(poll)
      handle.signal.addEventListener('abort', () => resolve(handle.signal.reason))
      controller.abort(new Error('enough'))
    }, 1)
  })
  const next = await acquireFileLock(path)
  const error = await lost
  assert.ok(error instanceof leasehold.LockLostError)
  assert.equal(error.code, 'file_lock_lost')
  assert.equal(error.reason, 'aborted')
  assert.equal(error.lockPath, `${path}.lock`)
  assert.equal(error.label, 'importer')
  assert.ok(error.heldForMs >= 100)
  assert.match(error.acquiredAt, /aborted-work\.test\.mjs/)
  assert.equal(handle.held, false)
  assert.throws(() => handle.assertHeld(), { code: 'file_lock_lost', reason: 'aborted' })
  await assert.rejects(handle.appendFile('too late\n'), { code: 'file_lock_lost' })
  assert.ok(!existsSync(path), 'a guarded action has no effect')
  assert.ok(next.token > handle.token)
  await handle.release()
  next.assertHeld()
  finish('a result that was computed without the lock')
  await assert.rejects(work, { code: 'file_lock_lost', reason: 'aborted' })
  await next.release()
})

test('the error of work that fails after its loss is the cause of the loss error', async (t) => {
  stayAlive(t)
  const path = join(scratch(t), 'file')
  const controller = new AbortController()
  const failure = new Error('the work failed, too')
  const work = withFileLock(path, { signal: controller.signal, abortGraceMs: 0 }, async (lock) => {
    controller.abort()
    const { signal } = lock // aborted already, if the watchdog was quick
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw failure
  })
  await assert.rejects(work, (error) => error.code === 'file_lock_lost' && error.cause === failure)
})

test('aborted work that settles within its grace keeps its result', async (t) => {
  stayAlive(t)
  const path = join(scratch(t), 'file')
  const controller = new AbortController()
  const result = await withFileLock(path, { signal: controller.signal, abortGraceMs: 60_000 }, async (lock) => {
    controller.abort()
    await new Promise((resolve) => setTimeout(resolve, 50))
    lock.assertHeld()
    return 'cleaned up'
  })
  assert.equal(result, 'cleaned up')
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  assert.ok(!existsSync(`${path}.lock`))
})

test('a grace without end waits for the work', async (t) => {
  stayAlive(t)
  const path = join(scratch(t), 'file')
  const controller = new AbortController()
  await withFileLock(path, { signal: controller.signal, abortGraceMs: Infinity }, async (lock) => {
    controller.abort()
    await new Promise((resolve) => setTimeout(resolve, 50))
    lock.assertHeld()
  })
})

test('a grace that makes no sense is refused before anything happens', async (t) => {
  stayAlive(t)
  const path = join(scratch(t), 'file')
  for (const [abortGraceMs, name] of [[NaN, 'RangeError'], [-1, 'RangeError'], ['1', 'TypeError']]) {
    await assert.rejects(withFileLock(path, { abortGraceMs }, () => assert.fail()), { name, message: /abortGraceMs/ })
  }
  await assert.rejects(withFileLock(path, { onUnhandledRejection: 'x' }, () => assert.fail()), {
    name: 'TypeError',
    message: /onUnhandledRejection/,
  })
})
