// OpenClaw 2026.9: with "fail-closed" and "remove-if-definitely-stale" age never counts, an unreadable record is waited
// for, and a refusal says what proves the owner gone.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'
import { noProc } from './support/platform.mjs'
import { bystander, deadPid, startTime } from './support/processes.mjs'

const OLD = '2020-01-01T00:00:00.000Z'

/** Creates a lock file with this record, beside a new target. */
function plant(t, record) {
  const path = join(scratch(t), 'file')
  const text = typeof record === 'string' ? record : JSON.stringify(record)
  writeFileSync(`${path}.lock`, text)
  return { path, text, lockPath: `${path}.lock` }
}

for (const staleRecovery of ['fail-closed', 'remove-if-definitely-stale']) {
  for (const [name, record] of [
    ['an old lock of a live process', { pid: process.ppid, createdAt: OLD }],
    ['an old lock with our own pid that nothing here holds', { pid: process.pid, createdAt: OLD }],
    ['an old lock without a pid', { createdAt: OLD }],
    ['garbage', 'garbage'],
  ]) {
    test(`"${staleRecovery}" waits for ${name}`, async (t) => {
      const { path, text, lockPath } = plant(t, record)
      const options = { timeoutMs: 300, stale: 100, staleRecovery }
      await assert.rejects(leasehold.acquireFileLock(path, options), { code: 'file_lock_timeout' })
      assert.equal(readFileSync(lockPath, 'utf8'), text, 'nobody touched it')
    })
  }
}

test('"remove-if-definitely-stale" takes the lock of a dead process', async (t) => {
  const { path, lockPath } = plant(t, { pid: deadPid(), createdAt: new Date().toISOString() })
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: 5000, staleRecovery: 'remove-if-definitely-stale' })
  await lock.release()
  assert.ok(!existsSync(lockPath))
})

test('"fail-closed" refuses the lock of a dead process, and says so', async (t) => {
  const pid = deadPid()
  for (const [start, told] of [[{}, 'unknown'], [{ starttime: 7 }, '7']]) {
    const { path, text, lockPath } = plant(t, { pid, createdAt: OLD, ...start })
    const error = await leasehold.acquireFileLock(path, { staleRecovery: 'fail-closed' }).catch((error) => error)
    assert.equal(error.code, 'file_lock_stale')
    const proof = `[owner-process-exited pid=${pid} recorded-start=${told} observed-start=unknown]`
    assert.ok(error.message.startsWith(`file lock stale for ${path} ${proof}`), error.message)
    assert.equal(readFileSync(lockPath, 'utf8'), text, 'nobody touched it')
  }
})

test('"fail-closed" refuses the lock of a recycled pid, and says so', { skip: noProc }, async (t) => {
  const pid = bystander(t)
  const { path } = plant(t, { pid, createdAt: OLD, starttime: startTime(pid) + 1 })
  const error = await leasehold.acquireFileLock(path, { staleRecovery: 'fail-closed' }).catch((error) => error)
  assert.equal(error.code, 'file_lock_stale')
  const [recorded, observed] = [startTime(pid) + 1, startTime(pid)]
  const proof = `[owner-starttime-changed pid=${pid} recorded-start=${recorded} observed-start=${observed}]`
  assert.ok(error.message.startsWith(`file lock stale for ${path} ${proof}`), error.message)
})
