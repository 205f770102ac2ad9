// OpenClaw 2026.9: with "fail-closed" age never counts, and an unreadable record is waited for. (Fails today: file_lock_stale at once.)
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'

for (const [name, text] of [['an old lock of a live process', JSON.stringify({ pid: process.ppid, createdAt: '2020-01-01T00:00:00.000Z' })], ['garbage', 'garbage']]) {
  test(`"fail-closed" waits for ${name}`, async (t) => {
    const path = join(scratch(t), 'file')
    writeFileSync(`${path}.lock`, text)
    await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 300, stale: 100, staleRecovery: 'fail-closed' }), { code: 'file_lock_timeout' })
  })
}
