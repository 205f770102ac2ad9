// cleanStaleLockFiles: what it looks at, what it reports, what it removes, and what it never removes.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { test } from 'node:test'
import { child, holder, leasehold, scratch } from './support/index.mjs'
import { noFileLinks, noProc, onWindows } from './support/platform.mjs'
import { bystander, deadPid, startTime, zombie } from './support/processes.mjs'

const { cleanStaleLockFiles } = leasehold
const NOW = Date.now()
const ago = (ms) => new Date(NOW - ms).toISOString()

/** Creates a session's lock file that seems to have changed `age` ms ago. */
function plant(directory, name, record, age = 0) {
  const lockPath = join(directory, `${name}.jsonl.lock`)
  writeFileSync(lockPath, typeof record === 'string' ? record : JSON.stringify(record))
  const changed = (NOW - age) / 1000
  utimesSync(lockPath, changed, changed)
  return lockPath
}

/** What is reported of each lock, by the name of its session. */
function named(locks) {
  return Object.fromEntries(locks.map(({ lockPath, ...rest }) => [basename(lockPath, '.jsonl.lock'), rest]))
}

test('each lock file is told of in full, and the stale ones are removed', async (t) => {
  const sessionsDir = scratch(t)
  const [dead, live] = [deadPid(), bystander(t)]
  const records = {
    dead: [{ pid: dead, createdAt: ago(1000) }, ['dead-pid']],
    'dead-and-old': [{ pid: dead, createdAt: ago(120_000) }, ['dead-pid', 'too-old']],
    'old-live': [{ pid: live, createdAt: ago(120_000), starttime: startTime(live) }, ['too-old']],
    'old-own': [{ pid: process.pid, createdAt: ago(120_000) }, ['too-old']],
    'old-without-pid': [{ createdAt: ago(120_000) }, ['missing-pid', 'too-old']],
    'no-date': [{ pid: live, createdAt: 'soon' }, ['invalid-createdAt'], 31_000],
    garbage: ['{"pid": 1', ['missing-pid', 'invalid-createdAt'], 31_000],
  }
  if (!noProc) {
    records.undead = [{ pid: await zombie(t), createdAt: ago(1000) }, ['dead-pid']]
    records.recycled = [{ pid: live, createdAt: ago(1000), starttime: startTime(live) + 1 }, ['recycled-pid']]
    const own = { pid: process.pid, createdAt: ago(10_000), starttime: startTime() }
    records['orphan-self'] = [own, ['orphan-self-pid'], 10_000]
  }
  for (const [name, [record, , age]] of Object.entries(records)) plant(sessionsDir, name, record, age)
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir, staleMs: 30_000, nowMs: NOW })
  const found = named(locks)
  for (const [name, [record, staleReasons]] of Object.entries(records)) {
    const { pid = null, createdAt = null } = typeof record === 'string' ? {} : record
    const at = Date.parse(createdAt)
    assert.deepEqual(found[name], {
      pid,
      pidAlive: pid === live || pid === process.pid,
      createdAt,
      ageMs: Number.isNaN(at) ? null : NOW - at,
      stale: true,
      staleReasons,
      removed: true,
    }, name)
  }
  assert.equal(locks.length, Object.keys(records).length)
  assert.deepEqual(cleaned, locks)
  assert.ok(cleaned.every((lock, index) => lock === locks[index]), 'the same objects')
  assert.deepEqual(readdirSync(sessionsDir), [])
})

test('a lock that somebody has, or may be about to write, is kept', async (t) => {
  const sessionsDir = scratch(t)
  const live = bystander(t)
  const records = {
    live: [{ pid: live, createdAt: ago(1000), starttime: startTime(live) }, []],
    own: [{ pid: process.pid, createdAt: ago(1000) }, []],
    // Our JavaScript lists a lock only after its file was written.
    'own-young': [{ pid: process.pid, createdAt: ago(0), starttime: noProc ? undefined : startTime() }, []],
    'from-the-future': [{ pid: live, createdAt: ago(-60_000) }, []],
    empty: ['', ['missing-pid', 'invalid-createdAt'], 29_000],
    garbage: ['{"pid', ['missing-pid', 'invalid-createdAt']],
    'without-pid': [{ createdAt: ago(1000) }, ['missing-pid']],
    'without-date': [{ pid: live }, ['invalid-createdAt']],
  }
  for (const [name, [record, , age]] of Object.entries(records)) plant(sessionsDir, name, record, age)
  const before = readdirSync(sessionsDir)
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir, staleMs: 60_000, nowMs: NOW })
  for (const [name, lock] of Object.entries(named(locks))) {
    const [, staleReasons] = records[name]
    const expected = [staleReasons, staleReasons.length > 0, false]
    assert.deepEqual([lock.staleReasons, lock.stale, lock.removed], expected, name)
  }
  assert.equal(named(locks)['from-the-future'].ageMs, 0)
  assert.deepEqual(cleaned, [])
  assert.deepEqual(readdirSync(sessionsDir), before)
})

test('a lock that a leasehold process holds is never stale, however old it seems', async (t) => {
  const sessionsDir = scratch(t)
  const other = await holder(t, join(sessionsDir, 'other.jsonl'), { session: true })
  const own = await leasehold.acquireSessionWriteLock({ sessionFile: join(sessionsDir, 'own.jsonl') })
  const nowMs = Date.now() + 86_400_000
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir, staleMs: 1, nowMs })
  assert.deepEqual(cleaned, [])
  for (const { pid, pidAlive, stale, staleReasons, ageMs } of locks) {
    assert.ok([other.pid, process.pid].includes(pid))
    assert.deepEqual([pidAlive, stale, staleReasons], [true, false, []])
    assert.ok(ageMs > 86_000_000)
  }
  assert.equal(locks.length, 2)
  own.assertHeld()
  await other.release()
  await own.release()
})

test('the lock of a killed leasehold process is removed', async (t) => {
  const sessionsDir = scratch(t)
  const killed = await holder(t, join(sessionsDir, 'killed.jsonl'), { session: true })
  killed.kill()
  await killed.exit
  const { cleaned } = await cleanStaleLockFiles({ sessionsDir })
  assert.deepEqual(cleaned.map(({ pid, staleReasons }) => [pid, staleReasons]), [[killed.pid, ['dead-pid']]])
  assert.deepEqual(readdirSync(sessionsDir), [])
})

test("what OpenClaw's JavaScript holds in this process is no orphan", async (t) => {
  const sessionsDir = scratch(t)
  const lockPath = plant(sessionsDir, 'held', { pid: process.pid, createdAt: ago(1000), starttime: startTime() })
  const KEY = Symbol.for('openclaw.sessionWriteLockHeldLocks')
  process[KEY] = new Map([[join(sessionsDir, 'held.jsonl'), {}]])
  t.after(() => delete process[KEY])
  const { locks } = await cleanStaleLockFiles({ sessionsDir, nowMs: NOW })
  assert.deepEqual(locks[0].staleReasons, [])
  assert.ok(existsSync(lockPath))
})

test('only files named *.jsonl.lock in the directory itself are looked at, in the order of their names', async (t) => {
  const sessionsDir = scratch(t)
  const sessions = ['b', 'A', ...(onWindows ? [] : ['a', 'B']), 'ä', '10', '9']
  for (const name of sessions) plant(sessionsDir, name, { pid: 1, createdAt: ago(0) })
  for (const name of ['x.lock', 'x.jsonl', 'x.jsonl.lock.reclaim', 'x.JSONL.LOCK']) {
    writeFileSync(join(sessionsDir, name), '')
  }
  mkdirSync(join(sessionsDir, 'inner'))
  plant(join(sessionsDir, 'inner'), 'c', {})
  const { locks } = await cleanStaleLockFiles({ sessionsDir: relative('.', sessionsDir), removeStale: false })
  const names = locks.map(({ lockPath }) => lockPath)
  const expected = sessions.map((name) => `${name}.jsonl.lock`).sort((a, b) => a.localeCompare(b))
  assert.deepEqual(names, expected.map((name) => join(sessionsDir, name)))
})

test('removeStale: false only looks', async (t) => {
  const sessionsDir = scratch(t)
  const lockPath = plant(sessionsDir, 'dead', { pid: deadPid(), createdAt: ago(0) })
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir, removeStale: false })
  assert.deepEqual([locks[0].stale, locks[0].removed, cleaned], [true, false, []])
  assert.ok(existsSync(lockPath))
})

test('each removal is logged as a warning, in order', async (t) => {
  const sessionsDir = scratch(t)
  const pid = deadPid()
  for (const name of ['two', 'one']) plant(sessionsDir, name, { pid, createdAt: ago(120_000) })
  plant(sessionsDir, 'kept', { pid: process.pid, createdAt: ago(0) })
  const said = []
  const log = { warn: (...given) => said.push(given), info: () => assert.fail('nothing to inform about') }
  await cleanStaleLockFiles({ sessionsDir, staleMs: 60_000, nowMs: NOW, log })
  const lines = ['one', 'two'].map(
    (name) => `removed stale session lock: ${join(sessionsDir, `${name}.jsonl.lock`)} (dead-pid, too-old)`,
  )
  assert.deepEqual(said, lines.map((line) => [line]))
  await cleanStaleLockFiles({ sessionsDir, log: {} })
})

test('a directory that is missing is empty, and a file is none', async (t) => {
  const directory = scratch(t)
  const missing = join(directory, 'missing')
  assert.deepEqual(await cleanStaleLockFiles({ sessionsDir: missing }), { locks: [], cleaned: [] })
  assert.ok(!existsSync(missing), 'it was not created')
  writeFileSync(join(directory, 'file'), '')
  await assert.rejects(cleanStaleLockFiles({ sessionsDir: join(directory, 'file') }), { code: 'ENOTDIR' })
})

test('what is no regular file is told of and left as it is', async (t) => {
  const directory = scratch(t)
  const sessionsDir = join(directory, 'sessions')
  mkdirSync(join(sessionsDir, 'directory.jsonl.lock'), { recursive: true })
  const target = join(directory, 'target')
  writeFileSync(target, JSON.stringify({ pid: deadPid(), createdAt: ago(0) }))
  if (!noFileLinks) symlinkSync(target, join(sessionsDir, 'link.jsonl.lock'))
  const before = readdirSync(sessionsDir)
  const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir })
  assert.deepEqual(locks.map(({ removed }) => removed), before.map(() => false))
  assert.deepEqual(cleaned, [])
  assert.deepEqual(readdirSync(sessionsDir), before)
  assert.ok(readFileSync(target, 'utf8').includes('pid'))
})

test('without staleMs, or with a senseless one, the environment counts, and then half an hour', async (t) => {
  const directory = scratch(t)
  const pid = bystander(t)
  const one = child(
    t,
    async ({ leasehold, send, next, args: { directory, pid } }) => {
      const { writeFileSync } = await import('node:fs')
      const isStale = async (minutes, staleMs) => {
        const createdAt = new Date(Date.now() - minutes * 60_000).toISOString()
        writeFileSync(`${directory}/a.jsonl.lock`, JSON.stringify({ pid, createdAt }))
        const { locks } = await leasehold.cleanStaleLockFiles({ sessionsDir: directory, staleMs, removeStale: false })
        return locks[0].stale
      }
      const plain = [await isStale(29), await isStale(31)]
      for (const senseless of [0, -1, NaN, Infinity, '1', null]) plain.push(await isStale(29, senseless))
      process.env.OPENCLAW_SESSION_WRITE_LOCK_STALE_MS = '60000'
      send({ plain, told: [await isStale(0.5), await isStale(2), await isStale(2, 180_000)] })
    },
    { args: { directory, pid }, env: { OPENCLAW_SESSION_WRITE_LOCK_STALE_MS: '' } },
  )
  const { plain, told } = await one.next('plain')
  assert.deepEqual(plain, [false, true, false, false, false, false, false, false])
  assert.deepEqual(told, [false, true, false])
})

test('without staleMs, the configuration and the environment that are given count', async (t) => {
  const sessionsDir = scratch(t)
  plant(sessionsDir, 'a', { pid: bystander(t), createdAt: ago(45_000) })
  const isStale = async (params) => {
    const { locks } = await cleanStaleLockFiles({ sessionsDir, nowMs: NOW, removeStale: false, ...params })
    return locks[0].stale
  }
  const config = { session: { writeLock: { staleMs: 30_000 } } }
  const env = { OPENCLAW_SESSION_WRITE_LOCK_STALE_MS: '60000' }
  assert.equal(await isStale({ config, env: {} }), true)
  assert.equal(await isStale({ config, env }), false)
  assert.equal(await isStale({ config, env, staleMs: 40_000 }), true)
  assert.equal(await isStale({ env: {} }), false)
})

test('what lives is left alone, whatever its command line says', async (t) => {
  const sessionsDir = scratch(t)
  plant(sessionsDir, 'a', { pid: bystander(t), createdAt: ago(1000) })
  const { locks } = await cleanStaleLockFiles({ sessionsDir, readOwnerProcessArgs: () => ['python', 'worker.py'] })
  assert.deepEqual(named(locks).a.staleReasons, [])
  assert.deepEqual(readdirSync(sessionsDir), ['a.jsonl.lock'])
})

test('a wrong parameter is refused before anything happens', async () => {
  for (const params of [undefined, null, 1, {}, { sessionsDir: 1 }, { sessionsDir: '.', nowMs: 'now' }]) {
    await assert.rejects(cleanStaleLockFiles(params), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
})

test('a lock is never removed from under somebody who takes it meanwhile', async (t) => {
  const sessionsDir = scratch(t)
  const pid = deadPid()
  const workers = [1, 2].map(() =>
    child(
      t,
      async ({ leasehold, send, args: { sessionsDir } }) => {
        let lost = 0
        let held = 0
        const end = performance.now() + 1500
        while (performance.now() < end) {
          const sessionFile = `${sessionsDir}/a.jsonl`
          const lock = await leasehold.acquireSessionWriteLock({ sessionFile, timeoutMs: 60_000 })
          held += 1
          try {
            lock.assertHeld()
            await new Promise(setImmediate)
            lock.assertHeld()
          } catch {
            lost += 1
          }
          await lock.release()
          await new Promise(setImmediate)
        }
        send({ lost, held })
      },
      { args: { sessionsDir } },
    ),
  )
  let done = false
  const sweeping = (async () => {
    while (!done) {
      // It is stale at once, until one of the three processes takes it.
      if (!existsSync(join(sessionsDir, 'a.jsonl.lock'))) {
        try {
          writeFileSync(join(sessionsDir, 'a.jsonl.lock'), JSON.stringify({ pid, createdAt: ago(0) }), { flag: 'wx' })
        } catch {}
      }
      await cleanStaleLockFiles({ sessionsDir, staleMs: 1 })
    }
  })()
  const reports = await Promise.all(workers.map((worker) => worker.next('held'))).finally(() => (done = true))
  await sweeping
  for (const { lost, held } of reports) {
    assert.equal(lost, 0)
    assert.ok(held > 0)
  }
})
