// OpenClaw 2026.9 makes `<lock file>.reclaim` while it removes a stale lock file by name. A process that took the file
// over in that moment would lose it, so a stale lock is left alone until the reclaim is over; but a `.reclaim` left
// behind by a kill holds nobody up for ever.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'
import { deadPid } from './support/processes.mjs'

const reclaimed = {
  'a record': () => JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }),
  'a file too long for a record': () => JSON.stringify({ pid: deadPid(), padding: 'x'.repeat(20_000) }),
}

/** A stale lock file beside a new target, being reclaimed by somebody who seems to have begun `age` ms ago. */
function plant(t, text, age = 0) {
  const path = join(scratch(t), 'file.jsonl')
  const lockPath = `${path}.lock`
  const guard = `${lockPath}.reclaim`
  writeFileSync(lockPath, text)
  utimesSync(lockPath, 1000, 1000)
  mkdirSync(guard)
  const made = Date.now() / 1000 - age / 1000
  utimesSync(guard, made, made)
  return { path, lockPath, guard }
}

describe('a reclaim that is under way', { concurrency: 4 }, () => {
  for (const [name, text] of Object.entries(reclaimed)) {
    test(`${name} is not taken over meanwhile, and is afterwards`, async (t) => {
      const planted = text()
      const { path, lockPath, guard } = plant(t, planted)
      await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 300 }), { code: 'file_lock_timeout' })
      assert.equal(readFileSync(lockPath, 'utf8'), planted, 'nobody touched it')
      const waiting = leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
      rmdirSync(guard)
      await (await waiting).release()
    })

    test(`${name} is taken over although a reclaim was left behind long ago`, async (t) => {
      const { path } = plant(t, text(), 60_000)
      await (await leasehold.acquireFileLock(path, { timeoutMs: 5000 })).release()
    })
  }

  test('cleaning leaves it alone', async (t) => {
    const { path, lockPath } = plant(t, reclaimed['a record']())
    const { cleaned } = await leasehold.cleanStaleLockFiles({ sessionsDir: join(path, '..') })
    assert.deepEqual(cleaned, [])
    assert.equal(await leasehold.reclaimDefinitelyStaleFileLock(lockPath), 'retained')
  })

  test('a free lock is had all the same', async (t) => {
    const path = join(scratch(t), 'file')
    mkdirSync(`${path}.lock.reclaim`)
    await (await leasehold.acquireFileLock(path, { timeoutMs: 5000 })).release()
  })
})

test('a reclaim whose date lies is waited for no longer than any reclaim takes', async (t) => {
  const { path } = plant(t, reclaimed['a record'](), -3_600_000)
  await (await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })).release()
})
