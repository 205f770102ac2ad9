// Whatever somebody plants at a lock path: a clear error or a patient wait, never a hang, a crash or a followed link.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync, closeSync, existsSync, ftruncateSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync,
  renameSync, statSync, symlinkSync, unlinkSync, utimesSync, writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { after, child, holder, leasehold, scratch, until } from './support/index.mjs'
import { noFileLinks, noUnixTools, onWindows } from './support/platform.mjs'

/** A test that hangs fails. */
const timeout = 60_000

function identity(path) {
  const { dev, ino, mode, size, mtimeMs } = lstatSync(path)
  return { dev, ino, mode, size, mtimeMs }
}

const planted = [
  ['a dangling symlink', (lockPath, directory) => symlinkSync(join(directory, 'nowhere'), lockPath), noFileLinks],
  ['a symlink to a file', (lockPath, directory) => symlinkSync(join(directory, 'precious'), lockPath), noFileLinks],
  ['a symlink to itself', (lockPath) => symlinkSync(lockPath, lockPath), noFileLinks],
  ['a FIFO', (lockPath) => execFileSync('mkfifo', [lockPath]), noUnixTools],
  ['a directory', (lockPath) => mkdirSync(lockPath)],
  [
    'a socket',
    (lockPath, directory, t) =>
      new Promise((resolve) => {
        const server = createServer().listen(lockPath, resolve)
        after(t, () => new Promise((closed) => server.close(closed)))
      }),
    onWindows && 'sockets are no files here',
  ],
]

for (const [name, plant, skip] of planted) {
  test(`${name} at the lock path is refused with a clear error and left as it is`, { skip, timeout }, async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    const lockPath = `${path}.lock`
    writeFileSync(join(directory, 'precious'), 'precious')
    await plant(lockPath, directory, t)
    const before = [identity(lockPath), identity(join(directory, 'precious'))]
    const isClear = (error) => {
      assert.ok(error instanceof leasehold.NotALockFileError, error.stack)
      assert.equal(error.code, 'file_lock_not_a_file')
      assert.equal(error.lockPath, lockPath)
      assert.ok(error.message.includes(lockPath), 'it names the path')
      return true
    }
    const patient = { timeoutMs: 60_000 }
    await assert.rejects(leasehold.acquireFileLock(path, patient), isClear)
    await assert.rejects(leasehold.acquireSessionWriteLock({ sessionFile: path, ...patient }), isClear)
    await assert.rejects(leasehold.withFileLock(path, patient, () => assert.fail('fn was called')), isClear)
    assert.throws(() => leasehold.acquireFileLockSync(path, patient), isClear)
    await assert.rejects(leasehold.inspectLock(path), isClear)
    assert.deepEqual([identity(lockPath), identity(join(directory, 'precious'))], before, 'nothing was touched')
    assert.equal(readFileSync(join(directory, 'precious'), 'utf8'), 'precious')
    assert.ok(!existsSync(join(directory, 'nowhere')), 'nothing was created through the link')
  })
}

test('a symlink planted over a held lock fails those who wait', { skip: noFileLinks, timeout }, async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  writeFileSync(join(directory, 'precious'), 'precious')
  const held = await leasehold.acquireFileLock(path, { leaseMs: 600 })
  const waiting = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      send({ waiting: true })
      await leasehold.acquireFileLock(path, { timeoutMs: 60_000 }).catch(({ code }) => send({ code }))
    },
    { args: { path } },
  )
  await waiting.next('waiting')
  await until(() => statSync(held.lockPath).atimeMs > statSync(held.lockPath).mtimeMs)
  symlinkSync(join(directory, 'precious'), join(directory, 'link'))
  renameSync(join(directory, 'link'), held.lockPath)
  assert.equal((await waiting.next('code')).code, 'file_lock_not_a_file')
  await until(() => held.signal.aborted)
  assert.equal(held.signal.reason.reason, 'replaced')
  await held.release()
  assert.ok(lstatSync(held.lockPath).isSymbolicLink(), 'release leaves what is not ours')
  assert.equal(readFileSync(join(directory, 'precious'), 'utf8'), 'precious')
})

const nested = (depth) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const contents = [
  ['a gigabyte of nothing', (lockPath) => {
    const file = openSync(lockPath, 'w')
    ftruncateSync(file, 2 ** 30)
    closeSync(file)
  }],
  ['binary', Buffer.from(Array.from({ length: 1024 }, (_, index) => (index * 37) % 256))],
  ['invalid UTF-8', Buffer.from('{"pid": 12, "createdAt": "\xff\xfe\xc0"}', 'latin1')],
  ['a byte order mark', `\ufeff{"pid":${process.pid}}`],
  ['deep JSON', nested(7000)],
  ['a deep record', `{"pid":${nested(2000)}}`],
  ['a pid beyond every number', '{"pid":1e999,"createdAt":9e999}'],
  ['a pid beyond every process', `{"pid":9007199254740993,"createdAt":"${new Date().toISOString()}"}`],
  ['a date beyond every clock', '{"pid":0,"createdAt":"+275760-09-13T00:00:00.000Z"}'],
  ['numbers in the wrong places', '{"pid":{},"createdAt":17,"starttime":-1.5,"leasehold":7}'],
  ['a native record with nothing in it', '{"leasehold":{}}'],
  ['a record of 20 kB', JSON.stringify({ padding: 'x'.repeat(20_000) })],
  ['JSON 100 000 levels deep', nested(100_000)],
  ['a record 100 000 levels deep', `{"leasehold":${'{"leasehold":'.repeat(100_000)}1${'}'.repeat(100_001)}`],
  ['a negative pid', '{"pid":-1}'],
  ['a pid with a fraction', '{"pid":12.5}'],
]

describe('a lock file with nonsense in it', { concurrency: 4, timeout }, () => {
  for (const [name, text] of contents) {
    test(`${name}: waited for while young, taken when old`, async (t) => {
      const path = join(scratch(t), 'file')
      const lockPath = `${path}.lock`
      if (typeof text === 'function') text(lockPath)
      else writeFileSync(lockPath, text)
      const before = identity(lockPath)
      const { rss } = process.memoryUsage()
      await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 250 }), { code: 'file_lock_timeout' })
      assert.deepEqual(identity(lockPath), before, 'nobody touched it')
      const found = await leasehold.inspectLock(path)
      assert.ok(found.exists)
      utimesSync(lockPath, 1000, 1000)
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
      assert.equal(lock.recoveredFrom, 'missing-pid')
      assert.equal(JSON.parse(readFileSync(lockPath, 'utf8')).pid, process.pid)
      assert.ok(process.memoryUsage().rss - rss < 200e6, 'it was not read as a whole')
      await lock.release()
      assert.ok(!existsSync(lockPath))
    })
  }
})

describe('a JS record with a date in the far future', { timeout }, () => {
  for (const createdAt of ['9999-12-31T23:59:59.999Z', '2500-01-01T00:00:00.000Z']) {
    test(`${createdAt}: keeps nobody out when its process is gone`, async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: 4_194_305, createdAt }))
      utimesSync(`${path}.lock`, new Date(createdAt), new Date(createdAt))
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
      assert.equal(lock.recoveredFrom, 'dead-pid')
      await lock.release()
      assert.ok(!existsSync(`${path}.lock`))
    })

    test(`${createdAt}: is believed as long as its process lives`, async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt }))
      await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 250, stale: 1 }), { code: 'file_lock_timeout' })
      assert.equal((await leasehold.inspectLock(path)).owner.pid, process.ppid)
    })
  }

  test('a file dated in the far future that is no record is taken when it was watched for long enough', async (t) => {
    const path = join(scratch(t), 'file')
    writeFileSync(`${path}.lock`, 'nonsense')
    utimesSync(`${path}.lock`, new Date('2400-01-01'), new Date('2400-01-01'))
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 20_000, stale: 300 })
    assert.equal(lock.recoveredFrom, 'missing-pid')
    await lock.release()
  })
})

/** A record as a killed native process left it, changed by `change`. */
async function forged(t, path, change) {
  const holding = await holder(t, path)
  holding.kill()
  await holding.exit
  const record = JSON.parse(readFileSync(holding.lockPath, 'utf8'))
  change(record)
  writeFileSync(holding.lockPath, JSON.stringify(record))
}

test('a forged native record cannot stop the locks after it', { timeout }, async (t) => {
  for (const change of [
    (record) => (record.leasehold.leaseMs = 2 ** 53),
    (record) => (record.leasehold.beatMs = 2 ** 53),
    (record) => (record.createdAt = 'x'.repeat(24)),
    (record) => (record.leasehold.acquiredAt = '9'.repeat(400)),
    (record) => (record.leasehold.label = '\u0000\u202e'.repeat(100)),
  ]) {
    const path = join(scratch(t), 'file')
    await forged(t, path, change)
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
    assert.equal(lock.recoveredFrom, 'owner-died')
    await lock.release()
  }
})

test('a forged token as large as there is one does not make later tokens smaller', { timeout }, async (t) => {
  const path = join(scratch(t), 'file')
  await forged(t, path, (record) => (record.leasehold.token = String(2n ** 64n - 1n)))
  const first = await leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
  const next = leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
  await first.release()
  const second = await next
  assert.ok(second.token > first.token, `${second.token} after ${first.token}`)
  await second.release()
})

test('a name as long as the file system allows can be locked, also over something that is no record', async (t) => {
  const path = join(scratch(t), 'n'.repeat(255 - '.lock'.length))
  await (await leasehold.acquireFileLock(path)).release()
  writeFileSync(`${path}.lock`, 'x'.repeat(20_000))
  utimesSync(`${path}.lock`, 1000, 1000)
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: 20_000 })
  assert.equal(lock.recoveredFrom, 'missing-pid')
  await lock.release()
})

test('a name that leaves no room for ".lock" is a clear error', async (t) => {
  const directory = scratch(t)
  await assert.rejects(leasehold.acquireFileLock(join(directory, 'n'.repeat(255))), { code: 'ENAMETOOLONG' })
  assert.deepEqual(readdirSync(directory), [])
})

/** The codes of the errors with which `acquireFileLock` refuses each path to a process that is not root. */
async function asNobody(t, paths) {
  const nobody = child(
    t,
    async ({ leasehold, send, args: { paths } }) => {
      if (process.getuid() === 0) {
        process.setgroups([])
        process.setgid(65_534)
        process.setuid(65_534)
      }
      const answers = []
      for (const path of paths) {
        try {
          await (await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })).release()
          answers.push('acquired')
        } catch (error) {
          answers.push(error.code)
        }
      }
      send({ answers })
    },
    { args: { paths } },
  )
  return (await nobody.next('answers')).answers
}

test('missing permissions are a clear error, and everything is left as it is', { timeout }, async (t) => {
  if (!process.getuid) return t.skip('there are no permissions of this kind here')
  const directory = scratch(t)
  chmodSync(directory, 0o777)
  const make = (name, mode) => {
    mkdirSync(join(directory, name))
    chmodSync(join(directory, name), mode)
    after(t, () => chmodSync(join(directory, name), 0o700))
    return join(directory, name)
  }
  const readOnly = make('read-only', 0o555)
  const locked = make('locked', 0o000)
  const open = make('open', 0o777)
  writeFileSync(join(open, 'secret.lock'), 'secret')
  chmodSync(join(open, 'secret.lock'), 0o000)
  const before = identity(join(open, 'secret.lock'))
  const answers = await asNobody(t, [
    join(open, 'file'),
    join(readOnly, 'file'),
    join(readOnly, 'new', 'file'),
    join(locked, 'file'),
    join(open, 'secret'),
  ])
  assert.deepEqual(answers, ['acquired', 'EACCES', 'EACCES', 'EACCES', 'EACCES'])
  assert.deepEqual(readdirSync(readOnly), [])
  assert.deepEqual(readdirSync(open), ['secret.lock'])
  assert.deepEqual(identity(join(open, 'secret.lock')), before)
})

test('a full disk is a clear error, leaves nothing behind and costs no holder its lock', { timeout }, async (t) => {
  if (noUnixTools) return t.skip(noUnixTools)
  const disk = scratch(t)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk], { encoding: 'utf8' })
  if (mounted.status !== 0) return t.skip(`no small file system can be mounted: ${mounted.stderr ?? mounted.error}`)
  after(t, () => execFileSync('umount', ['--lazy', disk]))
  const held = await leasehold.acquireFileLock(join(disk, 'held'), { leaseMs: 300 })
  const other = await holder(t, join(disk, 'others'))
  assert.throws(() => writeFileSync(join(disk, 'filling'), Buffer.alloc(1 << 20)), { code: 'ENOSPC' })

  await assert.rejects(leasehold.acquireFileLock(join(disk, 'file')), { code: 'ENOSPC' })
  assert.deepEqual(readdirSync(disk).sort(), ['filling', 'held.lock', 'others.lock'])
  const timedOut = leasehold.acquireFileLock(join(disk, 'others'), { timeoutMs: 50 })
  await assert.rejects(timedOut, { code: 'file_lock_timeout' }, 'a lock that is held can be waited for')
  const inherited = leasehold.acquireFileLock(join(disk, 'others'))
  other.kill()
  await (await inherited).release()
  const { mtimeMs } = statSync(held.lockPath)
  await until(() => statSync(held.lockPath).mtimeMs > mtimeMs) // it beats
  held.assertHeld()
  await held.release()
  unlinkSync(join(disk, 'filling'))
  await (await leasehold.acquireFileLock(join(disk, 'file'))).release()
  assert.deepEqual(readdirSync(disk), [])
})
