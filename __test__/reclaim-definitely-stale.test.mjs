// reclaimDefinitelyStaleFileLock: removes a lock file if its owner is certainly gone, and for no other reason.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { holder, leasehold, scratch } from './support/index.mjs'
import { noFileLinks, noProc } from './support/platform.mjs'
import { bystander, deadPid, startTime, zombie } from './support/processes.mjs'

const { reclaimDefinitelyStaleFileLock } = leasehold
const OLD = '2020-01-01T00:00:00.000Z'
const now = () => new Date().toISOString()

/** Creates an old lock file of any name. */
function plant(t, record, name = 'state.json.lock') {
  const lockPath = join(scratch(t), name)
  writeFileSync(lockPath, typeof record === 'string' ? record : JSON.stringify(record))
  utimesSync(lockPath, 1000, 1000)
  return lockPath
}

for (const [name, record, skip] of [
  ['a dead process', () => ({ pid: deadPid(), createdAt: now() })],
  ['a zombie', async (t) => ({ pid: await zombie(t), createdAt: now() }), noProc],
  [
    'a recycled pid',
    (t) => {
      const pid = bystander(t)
      return { pid, createdAt: now(), starttime: startTime(pid) + 1 }
    },
    noProc,
  ],
]) {
  test(`the lock of ${name} is removed, and then there is none`, { skip }, async (t) => {
    const made = await record(t)
    for (const fileName of ['state.json.lock', 'embed.lock.lock', 'of-another-name']) {
      const lockPath = plant(t, made, fileName)
      assert.equal(await reclaimDefinitelyStaleFileLock(lockPath), 'removed')
      assert.deepEqual(readdirSync(join(lockPath, '..')), [])
      assert.equal(await reclaimDefinitelyStaleFileLock(lockPath), 'missing')
    }
  })
}

for (const [name, record] of [
  ['a live process, however old', (t) => ({ pid: bystander(t), createdAt: OLD })],
  ['our own pid', () => ({ pid: process.pid, createdAt: OLD })],
  ['nobody', () => ({ createdAt: OLD })],
  ['somebody without a date', (t) => ({ pid: bystander(t) })],
  ['an unreadable record', () => '{"pid'],
  ['an empty file', () => ''],
]) {
  test(`the lock of ${name} is retained`, async (t) => {
    const lockPath = plant(t, record(t))
    const before = readFileSync(lockPath, 'utf8')
    assert.equal(await reclaimDefinitelyStaleFileLock(lockPath), 'retained')
    assert.equal(readFileSync(lockPath, 'utf8'), before)
  })
}

test('what is no regular file is retained as it is', async (t) => {
  const directory = scratch(t)
  const stale = join(directory, 'stale')
  writeFileSync(stale, JSON.stringify({ pid: deadPid(), createdAt: now() }))
  mkdirSync(join(directory, 'directory.lock'))
  if (!noFileLinks) symlinkSync(stale, join(directory, 'link.lock'))
  const before = readdirSync(directory)
  for (const name of before.filter((name) => name !== 'stale')) {
    assert.equal(await reclaimDefinitelyStaleFileLock(join(directory, name)), 'retained')
  }
  assert.deepEqual(readdirSync(directory), before)
})

test('a lock of leasehold is retained while it is held, and removed when its process was killed', async (t) => {
  const path = join(scratch(t), 'file')
  const other = await holder(t, path)
  assert.equal(await reclaimDefinitelyStaleFileLock(other.lockPath), 'retained')
  other.kill()
  await other.exit
  assert.equal(await reclaimDefinitelyStaleFileLock(other.lockPath), 'removed')
  const own = await leasehold.acquireFileLock(path)
  assert.equal(await reclaimDefinitelyStaleFileLock(own.lockPath), 'retained')
  own.assertHeld()
  await own.release()
})

test('a free lock file that was kept on purpose is retained', async (t) => {
  const path = join(scratch(t), 'file')
  const lock = await leasehold.acquireFileLock(path, { keepLockFile: true })
  await lock.release()
  assert.equal(await reclaimDefinitelyStaleFileLock(lock.lockPath), 'retained')
  assert.ok(existsSync(lock.lockPath))
})

test('a missing directory is no error, and a wrong path is', async (t) => {
  assert.equal(await reclaimDefinitelyStaleFileLock(join(scratch(t), 'no', 'such', 'a.lock')), 'missing')
  await assert.rejects(reclaimDefinitelyStaleFileLock(7), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(reclaimDefinitelyStaleFileLock(''), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' })
})
