// Every kind of record that a JavaScript lock can leave behind: taken when it is stale, respected when it is not.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, utimesSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { leasehold, scratch, sleep } from './support/index.mjs'
import { noProc, noUnixTools, patience } from './support/platform.mjs'
import { bystander, deadPid, startTime, zombie } from './support/processes.mjs'

const SECOND = 1000
const ago = (ms) => new Date(Date.now() - ms).toISOString()
const now = () => ago(0)
const json = (fields) => JSON.stringify(fields, null, 2)

/** Puts a lock file beside a new target; `age` is how long ago the file seems to have changed. */
function plant(t, contents, age = 0) {
  const path = join(scratch(t), 'file')
  const lockPath = `${path}.lock`
  writeFileSync(lockPath, contents)
  const changed = Date.now() / 1000 - age / SECOND
  utimesSync(lockPath, changed, changed)
  return { path, lockPath }
}

const asFile = (path, options) => leasehold.acquireFileLock(path, { timeoutMs: 20 * SECOND, ...options })
const asSession = (path, { stale, ...options } = {}) =>
  leasehold.acquireSessionWriteLock({ sessionFile: path, timeoutMs: 20 * SECOND, staleMs: stale, ...options })

async function assertTaken(path, acquire, why, options) {
  const lock = await acquire(path, options)
  assert.equal(lock.recoveredFrom ?? undefined, why)
  const record = JSON.parse(readFileSync(lock.lockPath, 'utf8'))
  assert.equal(record.pid, process.pid, 'what stands there now is ours')
  await lock.release()
  assert.ok(!existsSync(lock.lockPath))
}

async function assertHeld(path, acquire, options, code = /^(file_lock_timeout|OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT)$/) {
  const lockPath = `${path}.lock`
  const before = { bytes: readFileSync(lockPath), ino: statSync(lockPath).ino }
  await assert.rejects(acquire(path, { ...options, timeoutMs: 300 }), { code })
  assert.deepEqual({ bytes: readFileSync(lockPath), ino: statSync(lockPath).ino }, before, 'nobody touched it')
}

/** `[name, record, why it is stale, age of the file, why the test is skipped]` */
const stale = [
  ['a dead pid', () => ({ pid: deadPid(), createdAt: now() }), 'dead-pid'],
  ['a pid that no process can have', () => ({ pid: 0x7fffffff, createdAt: now() }), 'dead-pid'],
  ['a zombie pid', async (t) => ({ pid: await zombie(t), createdAt: now() }), 'dead-pid', 0, noUnixTools],
  [
    'a recycled pid',
    (t) => {
      const pid = bystander(t)
      return { pid, createdAt: now(), starttime: startTime(pid) + 1 }
    },
    'recycled-pid',
    0,
    noProc,
  ],
  [
    'createdAt older than stale, although the pid lives',
    (t) => ({ pid: bystander(t), createdAt: ago(7 * SECOND) }),
    'too-old',
  ],
  ['our own pid, held by nobody here', () => ({ pid: process.pid, createdAt: now() }), 'orphan-self-pid'],
  [
    'our own pid and start time, held by nobody here',
    () => ({ pid: process.pid, createdAt: now(), starttime: startTime() }),
    'orphan-self-pid',
    0,
    noProc,
  ],
  [
    'our own pid with the start time of a process before us',
    () => ({ pid: process.pid, createdAt: now(), starttime: startTime() - 1 }),
    'recycled-pid',
    0,
    noProc,
  ],
  ['no pid, and old', () => ({ createdAt: now() }), 'missing-pid', 7 * SECOND],
  ['no pid and an old date, although the file is young', () => ({ createdAt: ago(7 * SECOND) }), 'too-old'],
  ['a pid that is none, and old', () => ({ pid: '12', createdAt: now() }), 'missing-pid', 7 * SECOND],
  ['a negative pid, and old', () => ({ pid: -1, createdAt: now() }), 'missing-pid', 7 * SECOND],
  ['no createdAt, and old', (t) => ({ pid: bystander(t) }), 'invalid-createdAt', 7 * SECOND],
  [
    'a createdAt that is no date, and old',
    (t) => ({ pid: bystander(t), createdAt: 'soon' }),
    'invalid-createdAt',
    7 * SECOND,
  ],
  ['an empty file, and old', () => '', 'missing-pid', 7 * SECOND],
  ['garbage, and old', () => '{"pid": 12, "crea', 'missing-pid', 7 * SECOND],
  ['an array, and old', () => '[1, 2]', 'missing-pid', 7 * SECOND],
]

for (const [name, record, why, age, skip] of stale) {
  for (const [api, acquire] of [['acquireFileLock', asFile], ['acquireSessionWriteLock', asSession]]) {
    test(`${api} takes ${name}`, { skip }, async (t) => {
      const made = await record(t)
      const { path } = plant(t, typeof made === 'string' ? made : json(made), age)
      await assertTaken(path, acquire, why, { stale: 5 * SECOND })
    })
  }
}

/** `[name, record, age of the file, options, why the test is skipped]` */
const held = [
  ['a live process', (t) => ({ pid: bystander(t), createdAt: now() })],
  [
    'a live process with its start time',
    (t) => {
      const pid = bystander(t)
      return { pid, createdAt: now(), starttime: startTime(pid) }
    },
    0,
    {},
    noProc,
  ],
  [
    'a live process whose file has not changed for long',
    (t) => ({ pid: bystander(t), createdAt: now() }),
    3600 * SECOND,
  ],
  ['a live process from the future', (t) => ({ pid: bystander(t), createdAt: ago(-3600 * SECOND) })],
  ['no pid, but young', () => ({ createdAt: now() })],
  ['no createdAt, but young', (t) => ({ pid: bystander(t) })],
  ['an empty file that is young', () => ''],
  ['garbage that is young', () => '\u0000\u0001{{{'],
  ['an empty file younger than half a minute under a long stale', () => '', 20 * SECOND, { stale: 60 * SECOND }],
]

describe('a lock that is not stale', { concurrency: 8 }, () => {
  for (const [name, record, age, options, skip] of held) {
    for (const [api, acquire] of [['acquireFileLock', asFile], ['acquireSessionWriteLock', asSession]]) {
      test(`${api} waits for ${name}`, { skip }, async (t) => {
        const made = await record(t)
        const { path } = plant(t, typeof made === 'string' ? made : json(made), age)
        await assertHeld(path, acquire, { stale: 5 * SECOND * patience, ...options })
      })
    }
  }
})

test('an empty file is believed for half a minute at most, however long stale is', async (t) => {
  const { path } = plant(t, '', 31 * SECOND)
  await assertTaken(path, asFile, 'missing-pid', { stale: 3600 * SECOND })
})

test('a session lock of a live process counts as stale after staleMs, five minutes unless told', async (t) => {
  const { path } = plant(t, json({ pid: bystander(t), createdAt: ago(290 * SECOND) }))
  await assertHeld(path, asSession)
  await assertTaken(path, asSession, 'too-old', { stale: 280 * SECOND })
  const old = plant(t, json({ pid: bystander(t), createdAt: ago(301 * SECOND) }))
  await assertTaken(old.path, asSession, 'too-old')
})

for (const [name, hold] of [
  ['sessionWriteLockHeldLocks', (target) => claim('openclaw.sessionWriteLockHeldLocks', new Map([[target, {}]]))],
  ['fileLockHeldLocks', (target) => claim('openclaw.fileLockHeldLocks', new Map([[target, {}]]))],
  [
    'the managers of later versions',
    (target) => claim('fsSafe.sidecarLockManagers', new Map([['any', { held: new Map([[target, {}]]) }]]), globalThis),
  ],
]) {
  test(`our own pid is respected while OpenClaw's JavaScript holds the lock here (${name})`, async (t) => {
    for (const fields of noProc ? [{}] : [{}, { starttime: startTime() }]) {
      const { path } = plant(t, json({ pid: process.pid, createdAt: ago(10 * SECOND), ...fields }), 10 * SECOND)
      const unclaim = hold(path)
      try {
        await Promise.all([assertHeld(path, asFile), assertHeld(path, asSession)])
      } finally {
        unclaim()
      }
      const elsewhere = hold(`${path}-other`)
      try {
        await assertTaken(path, asSession, 'orphan-self-pid')
      } finally {
        elsewhere()
      }
    }
  })
}

test('our own pid that OpenClaw’s JavaScript does not list is respected while it takes the lock or lets it go', async (t) => {
  const unclaim = claim('openclaw.fileLockHeldLocks', new Map())
  t.after(unclaim)
  // It lists a lock only after its file was written.
  const taking = plant(t, json({ pid: process.pid, createdAt: now() }))
  await Promise.all([assertHeld(taking.path, asFile), assertHeld(taking.path, asSession)])
  // And strikes it off the list before the file is removed.
  const going = plant(t, json({ pid: process.pid, createdAt: ago(10 * SECOND) }), 10 * SECOND)
  const waiting = asFile(going.path, { stale: 60 * SECOND })
  const early = await Promise.race([waiting, sleep(100)])
  assert.equal(early, undefined, 'it would be removed with the file')
  unlinkSync(going.lockPath)
  const lock = await waiting
  assert.equal(lock.recoveredFrom ?? undefined, undefined)
  lock.assertHeld()
  await lock.release()
})

function claim(name, value, on = process) {
  const key = Symbol.for(name)
  on[key] = value
  return () => delete on[key]
}

test('fail-closed reports a lock whose process is gone, at once, and leaves it alone', async (t) => {
  const pid = bystander(t)
  for (const [reason, record] of [
    ['dead-pid', { pid: deadPid(), createdAt: now() }],
    ...(noProc ? [] : [['recycled-pid', { pid, createdAt: now(), starttime: startTime(pid) + 1 }]]),
  ]) {
    const { path, lockPath } = plant(t, json(record))
    const options = { timeoutMs: 60 * SECOND, staleRecovery: 'fail-closed' }
    await assert.rejects(leasehold.acquireFileLock(path, options), (error) => {
      assert.ok(error instanceof leasehold.FileLockStaleError)
      assert.equal(error.code, 'file_lock_stale')
      assert.equal(error.lockPath, lockPath)
      assert.deepEqual(error.staleReasons, [reason])
      assert.equal(error.owner.pid, record.pid)
      return true
    })
    assert.equal(readFileSync(lockPath, 'utf8'), json(record))
  }
})

for (const staleRecovery of ['fail-closed', 'remove-if-definitely-stale']) {
  test(`${staleRecovery} keeps a live process's lock however old it is`, async (t) => {
    const { path } = plant(t, json({ pid: bystander(t), createdAt: ago(3600 * SECOND) }), 3600 * SECOND)
    await assertHeld(path, asFile, { staleRecovery })
  })

  test(`${staleRecovery} does not take a record that names no process`, async (t) => {
    for (const contents of ['', 'garbage', json({ createdAt: ago(3600 * SECOND) })]) {
      const { path } = plant(t, contents, 3600 * SECOND)
      await assertHeld(path, asFile, { staleRecovery })
    }
  })
}

for (const staleRecovery of ['remove-if-unchanged', 'remove-if-definitely-stale']) {
  test(`${staleRecovery} takes the lock of a process that is gone`, async (t) => {
    const { path } = plant(t, json({ pid: deadPid(), createdAt: now() }))
    await assertTaken(path, asFile, 'dead-pid', { staleRecovery })
  })
}

test('an age that only time brings is noticed without any event', async (t) => {
  const { path } = plant(t, json({ pid: bystander(t), createdAt: now() }))
  await assertTaken(path, asFile, 'too-old', { stale: 1.2 * SECOND })
})

test('a JS owner that dies while we wait is noticed, although it leaves no event', async (t) => {
  const pid = bystander(t)
  const { path } = plant(t, json({ pid, createdAt: now() }))
  const taken = assertTaken(path, asFile, 'dead-pid')
  await sleep(200)
  process.kill(pid, 'SIGKILL')
  await taken
})

test('a JS owner that releases lets us in without a word about recovery', async (t) => {
  const { path, lockPath } = plant(t, json({ pid: bystander(t), createdAt: now() }))
  const taken = assertTaken(path, asFile, undefined)
  await sleep(200)
  unlinkSync(lockPath)
  await taken
})

test('taking over a stale lock needs no second attempt', async (t) => {
  for (const options of [{ retries: { retries: 0 } }, { timeoutMs: 0 }]) {
    const { path } = plant(t, json({ pid: deadPid(), createdAt: now() }))
    const lock = await leasehold.acquireFileLock(path, options)
    assert.equal(lock.recoveredFrom, 'dead-pid')
    await lock.release()
  }
})
