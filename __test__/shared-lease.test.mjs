// Who shares a lock with whom, and when a shared one ends.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { holder, leasehold, scratch, worker } from './support/index.mjs'
import { outside } from './support/outside.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, heldLocks, withFileLock } = leasehold
const SOON = { timeoutMs: 150 }
const LATER = { timeoutMs: 20_000 }
const timeout = { code: 'file_lock_timeout' }
const sessionTimeout = { code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT' }
const handles = () => heldLocks().map((held) => held.handles)
const session = (sessionFile, options) => acquireSessionWriteLock({ sessionFile, ...LATER, ...options })

test('the same reentrantOwner re-enters across call chains, another one queues', async (t) => {
  const path = join(scratch(t), 'file')
  const owned = (reentrantOwner, wait) => acquireFileLock(path, { ...wait, reentrantOwner })
  const first = await owned('me', SOON)
  const second = await owned('me', SOON)
  assert.equal(second.token, first.token)
  await withFileLock(path, { ...SOON, reentrantOwner: 'me' }, () => assert.deepEqual(handles(), [3]))
  acquireFileLockSync(path, { ...SOON, reentrantOwner: 'me' }).releaseSync()
  await assert.rejects(owned('somebody else', SOON), timeout)
  await assert.rejects(owned(undefined, SOON), timeout, 'no owner is nobody\'s owner')
  await assert.rejects(owned('', SOON), timeout, 'nor is the empty one')
  await assert.rejects(session(path, SOON), sessionTimeout)
  await first.release()
  second.assertHeld()
  await second.release()
  assert.deepEqual(heldLocks(), [])
})

test('an owner does not enter a lock that was taken without one', async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path)
  await assert.rejects(acquireFileLock(path, { ...SOON, reentrantOwner: 'me' }), timeout)
  await handle.release()
})

test('sessions share a lock process-wide by default', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireSessionWriteLock({ sessionFile: path })
  const second = await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 150 })
  const third = await outside(() => session(path, { ...SOON, allowReentrant: true }))
  assert.deepEqual(handles(), [3])
  assert.equal(third.token, first.token)
  await assert.rejects(acquireFileLock(path, SOON), timeout, 'but not with the other functions')
  await first.release()
  await second.release()
  assert.ok(existsSync(`${path}.lock`))
  await third.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test('sessions share a lock with those of other threads', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await session(path)
  const other = worker(
    t,
    async ({ leasehold, send, args }) => {
      const handle = await leasehold.acquireSessionWriteLock({ sessionFile: args.path, timeoutMs: 5000 })
      send({ token: handle.token })
      await handle.release()
      send({ released: true })
    },
    { args: { path } },
  )
  assert.equal((await other.next('token')).token, first.token)
  await other.next('released')
  first.assertHeld()
  await first.release()
})

test('a session that allows no re-entrancy queues, and lets nobody in', async (t) => {
  const path = join(scratch(t), 'file')
  const closed = { allowReentrant: false }
  const first = await session(path, closed)
  await assert.rejects(session(path, { ...SOON, ...closed }), sessionTimeout)
  await assert.rejects(session(path, SOON), sessionTimeout, 'the holder decides, too')
  const order = []
  const queued = ['a', 'b', 'c'].map(async (name) => {
    const handle = await session(path, closed)
    order.push(name)
    await turn()
    assert.deepEqual(handles(), [1])
    await handle.release()
  })
  await first.release()
  await Promise.all(queued)
  assert.deepEqual(order, ['a', 'b', 'c'])
  const open = await session(path)
  await assert.rejects(session(path, { ...SOON, ...closed }), sessionTimeout)
  await open.release()
})

for (const [who, ask] of [
  ['sessions', (path) => session(path, { timeoutMs: 2000 })],
  ['callers with the same reentrantOwner', (path) => acquireFileLock(path, { timeoutMs: 2000, reentrantOwner: 'me' })],
]) {
  test(`${who} that waited for a lock share it as they would have without waiting`, async (t) => {
    const path = join(scratch(t), 'file')
    const other = await holder(t, path)
    const asked = [ask(path), ask(path), ask(path)]
    await turn()
    await other.release()
    const granted = await Promise.all(asked)
    assert.equal(new Set(granted.map(({ token }) => token)).size, 1)
    assert.deepEqual(handles(), [3])
    for (const handle of granted) await handle.release()
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('a shared lease ends with its last handle', async (t) => {
  const path = join(scratch(t), 'file')
  let inner
  await withFileLock(path, async () => {
    inner = await acquireFileLock(path, SOON)
  })
  inner.assertHeld()
  assert.ok(existsSync(`${path}.lock`))
  await assert.rejects(acquireFileLock(path, SOON), timeout)
  const next = acquireFileLock(path, LATER)
  await inner.release()
  const successor = await next
  assert.ok(successor.token > inner.token)
  await successor.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test('each handle of a shared lease is released for itself, and only once', async (t) => {
  const path = join(scratch(t), 'file')
  const [one, two, three] = [await session(path), await session(path), await session(path)]
  await one.release()
  await one.release()
  one.releaseSync()
  assert.equal(one.held, false)
  assert.throws(() => one.assertHeld(), { code: 'file_lock_released' })
  assert.deepEqual(handles(), [2])
  two.assertHeld()
  await two.release()
  await two.release()
  three.assertHeld()
  assert.ok(existsSync(`${path}.lock`))
  await three.release()
  assert.equal(existsSync(`${path}.lock`), false)
})
