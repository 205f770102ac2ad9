// What a timeout tells the caller: who holds the lock, since when, and what can be done.

import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { failure } from './support/failure.mjs'
import { after, holder, leasehold, scratch } from './support/index.mjs'
import { noDirectoryLinks } from './support/platform.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, withFileLock, withFileLockSync } = leasehold
const { FileLockTimeoutError, LockError, SessionWriteLockTimeoutError } = leasehold

const ISO = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/

test('another process holds it', async (t) => {
  const path = join(scratch(t), 'file')
  const before = Date.now()
  const other = await holder(t, path, { label: 'compaction of "x"' })
  const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
  assert.ok(error instanceof FileLockTimeoutError)
  assert.ok(error instanceof LockError)
  assert.equal(error.name, 'FileLockTimeoutError')
  assert.equal(error.code, leasehold.FILE_LOCK_TIMEOUT_ERROR_CODE)
  assert.equal(error.code, 'file_lock_timeout')
  assert.equal(error.lockPath, `${path}.lock`)
  assert.equal(error.targetPath, path)
  assert.equal(error.timeoutMs, 100)
  const { owner } = error
  assert.equal(owner.pid, other.pid)
  assert.equal(owner.alive, true)
  assert.equal(owner.place, 'other-process')
  assert.equal(owner.native, true)
  assert.equal(owner.label, 'compaction of "x"')
  // A record may lag behind its token: hand-overs inside a process are not written at once.
  assert.ok(owner.token > 0n && owner.token <= other.token)
  assert.ok(Date.parse(owner.since) >= before - 1000 && Date.parse(owner.since) <= Date.now() + 1000)
  assert.ok(owner.ageMs >= 0 && owner.ageMs < Date.now() - before + 1000)
  assert.ok(error.message.startsWith(`file lock timeout for ${path}`), error.message)
  for (const part of ['100 ms', `${path}.lock`, `pid ${other.pid}`, 'another process', 'alive', 'compaction']) {
    assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`)
  }
  assert.match(error.message, ISO)
  assert.match(error.message, /wait longer \(timeoutMs\)/)
})

test('this process holds it', async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path, { label: 'ours' })
  const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
  assert.equal(error.owner.pid, process.pid)
  assert.equal(error.owner.place, 'this-process')
  assert.equal(error.owner.alive, true)
  assert.equal(error.owner.label, 'ours')
  assert.equal(error.owner.token, handle.token)
  for (const part of [`pid ${process.pid}`, 'this process', 'heldLocks()']) {
    assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`)
  }
  await handle.release()
})

test('another program holds it', async (t) => {
  const path = join(scratch(t), 'file')
  const createdAt = new Date(Date.now() - 5000).toISOString()
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt }))
  const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
  assert.equal(error.owner.pid, process.ppid)
  assert.equal(error.owner.native, false)
  assert.equal(error.owner.since, createdAt)
  assert.ok(error.owner.ageMs >= 5000)
  assert.match(error.message, /another kind of lock/)
})

test('nobody knows who holds it', async (t) => {
  const path = join(scratch(t), 'file')
  writeFileSync(`${path}.lock`, '')
  const file = (await failure(() => acquireFileLock(path, { timeoutMs: 100 }))).error
  assert.equal(file.owner.pid, undefined)
  assert.ok(file.message.startsWith(`file lock timeout for ${path}`))
  const session = (await failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs: 100 }))).error
  assert.equal(session.owner, 'unknown')
  assert.ok(session.message.startsWith(`session file locked (timeout 100ms): unknown ${path}.lock`))
})

for (const [where, hold] of [
  ['another process', async (t, path) => (await holder(t, path, { session: true })).pid],
  ['this process', async (t, path) => {
    const handle = await acquireFileLock(path)
    after(t, () => handle.release())
    return process.pid
  }],
]) {
  test(`a session is held by ${where}`, async (t) => {
    const path = join(scratch(t), 'file')
    const pid = await hold(t, path)
    const { error } = await failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs: 100 }))
    assert.ok(error instanceof SessionWriteLockTimeoutError)
    assert.ok(error instanceof LockError)
    assert.equal(error.name, 'SessionWriteLockTimeoutError')
    assert.equal(error.code, 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT')
    assert.equal(error.lockPath, `${path}.lock`)
    assert.equal(error.targetPath, path)
    assert.equal(error.timeoutMs, 100)
    assert.match(error.owner, new RegExp(`^pid=${pid} alive=true ageMs=\\d+$`))
    assert.equal(error.holder.pid, pid)
    const start = `session file locked (timeout 100ms): ${error.owner} ${path}.lock`
    assert.ok(error.message.startsWith(start), error.message)
    assert.ok(error.message.includes(where), error.message)
  })
}

test('the paths are the real ones', { skip: noDirectoryLinks }, async (t) => {
  const root = scratch(t)
  mkdirSync(join(root, 'real'))
  symlinkSync('real', join(root, 'link'), 'dir')
  await holder(t, join(root, 'real', 'file'))
  const { error } = await failure(() => acquireFileLock(join(root, 'link', 'file'), { timeoutMs: 100 }))
  assert.equal(error.targetPath, join(root, 'real', 'file'))
  assert.equal(error.lockPath, join(root, 'real', 'file.lock'))
  assert.ok(error.message.startsWith(`file lock timeout for ${join(root, 'real', 'file')}`))
})

test('the stack leads to the call', async (t) => {
  const path = join(scratch(t), 'file')
  await holder(t, path)
  const here = basename(fileURLToPath(import.meta.url))
  const soon = { timeoutMs: 50 }
  for (const ask of [
    () => withFileLock(path, soon, () => {}),
    () => acquireFileLock(path, soon),
    () => acquireSessionWriteLock({ sessionFile: path, ...soon }),
    async () => acquireFileLockSync(path, soon),
    async () => withFileLockSync(path, soon, () => {}),
  ]) {
    const { error } = await failure(ask)
    assert.ok(error.stack.includes(here), error.stack)
  }
})
