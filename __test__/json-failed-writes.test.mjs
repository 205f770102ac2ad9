// A write that the file system refuses fails with the system's code, and leaves the old content and nothing else.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { after, child, leasehold, scratch } from './support/index.mjs'
import { noModes } from './support/platform.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()
const OLD = '"old"\n'
const NAMED = 'linkat:error=EOPNOTSUPP'

/** `[what fails, what strace does, the code, { the syscall named, whether there is no file before }]` */
const failures = [
  ['a full disk at the sync', ['fsync:error=ENOSPC'], 'ENOSPC', { syscall: 'fsync' }],
  ['a quota at the sync', ['fsync:error=EDQUOT'], 'EDQUOT', { syscall: 'fsync' }],
  ['a failing disk at the sync', ['fsync:error=EIO'], 'EIO', { syscall: 'fsync' }],
  ['a full directory at the link', ['linkat:error=ENOSPC'], 'ENOSPC', { syscall: 'link' }],
  ['a full directory at the link of a new file', ['linkat:error=ENOSPC'], 'ENOSPC', { syscall: 'link', isNew: true }],
  ['a full directory at the rename', ['renameat:error=ENOSPC'], 'ENOSPC', { syscall: 'rename' }],
  ['a disk that became read-only', ['renameat:error=EROFS'], 'EROFS', { syscall: 'rename' }],
  ['a directory that became forbidden', ['renameat:error=EACCES'], 'EACCES', { syscall: 'rename' }],
  ['a file that is mounted', ['renameat:error=EBUSY'], 'EBUSY', { syscall: 'rename' }],
  ['a full disk at the sync of a named file', [NAMED, 'fsync:error=ENOSPC:when=2+'], 'ENOSPC', { syscall: 'fsync' }],
  ['a read-only disk at the rename of a named file', [NAMED, 'renameat:error=EROFS'], 'EROFS', { syscall: 'rename' }],
]

/** Writes in every way, and reports how each failed. */
async function writer({ leasehold, send, begin, args: { path, user } }) {
  void leasehold
  if (user) process.setuid(user)
  await begin()
  const errors = []
  for (const write of [
    () => leasehold.writeJsonFileAtomically(path, 'new'),
    async () => leasehold.saveJsonFile(path, 'new'),
  ]) {
    await write().then(
      () => errors.push({}),
      ({ name, code, errno, syscall, path, message }) => errors.push({ name, code, errno, syscall, path, message }),
    )
  }
  send({ errors })
}

async function failing(t, path, rules, user) {
  const one = child(t, writer, { args: { path, user } })
  await one.next('ready')
  if (rules) await tamper(t, one.pid, rules)
  one.send({ start: true })
  return (await one.next('errors')).errors
}

function checkError(error, code, path, syscall) {
  assert.equal(error.code, code, error.message)
  assert.equal(error.name, 'Error')
  assert.ok(error.errno < 0, `errno ${error.errno}`)
  assert.equal(error.path, path)
  assert.ok(error.message.includes(path), error.message)
  if (syscall) assert.equal(error.syscall, syscall)
}

describe('a write fails', { skip, concurrency: 2 }, () => {
  for (const [name, rules, code, { syscall, isNew }] of failures) {
    test(`with ${name}`, async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      if (!isNew) writeFileSync(path, OLD)
      const errors = await failing(t, path, rules)
      assert.equal(errors.length, 2)
      for (const error of errors) checkError(error, code, path, syscall)
      assert.equal(existsSync(path) ? readFileSync(path, 'utf8') : undefined, isNew ? undefined : OLD)
      assert.deepEqual(readdirSync(directory), isNew ? [] : ['file'])
    })
  }

  test('of the directory only: the new content is there, and the error says what may not last', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    writeFileSync(path, OLD)
    // Each write is on a thread of its own, where the sync of the directory is the second one.
    const errors = await failing(t, path, ['fsync:error=EIO:when=2'])
    for (const error of errors) checkError(error, 'EIO', directory, 'fsync')
    assert.equal(readFileSync(path, 'utf8'), '"new"\n')
  })

  test('not when the file system cannot sync a directory', async (t) => {
    const path = join(scratch(t), 'file')
    assert.deepEqual(await failing(t, path, ['fsync:error=EINVAL:when=2']), [{}, {}])
    assert.equal(readFileSync(path, 'utf8'), '"new"\n')
  })
})

/** Mounts a small file system in memory, or says why it cannot. */
function mounted(t, size) {
  const directory = scratch(t)
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory])
  if (error || status !== 0) return { why: `cannot mount: ${error?.message ?? stderr}` }
  after(t, () => void spawnSync('umount', ['-l', directory]))
  return { directory }
}

test('a disk that is full: the old content stays, and a later write succeeds', async (t) => {
  const { directory, why } = mounted(t, '64k')
  if (why) return t.skip(why)
  const path = join(directory, 'file')
  await leasehold.writeJsonFileAtomically(path, 'old')
  const large = 'x'.repeat(100_000)
  for (const write of [leasehold.writeJsonFileAtomically, async (...args) => leasehold.saveJsonFile(...args)]) {
    for (const options of [{}, { durable: false }]) {
      await assert.rejects(write(path, large, options), (error) => {
        checkError(error, 'ENOSPC', path, 'write')
        return true
      })
      assert.equal(readFileSync(path, 'utf8'), OLD)
      assert.deepEqual(readdirSync(directory), ['file'])
    }
  }
  await assert.rejects(leasehold.updateJsonFile(path, '', () => large), { code: 'ENOSPC' })
  assert.deepEqual(readdirSync(directory), ['file'], 'nor does its lock file stay')
  await assert.rejects(leasehold.writeJsonFileAtomically(join(directory, 'other'), large), { code: 'ENOSPC' })
  assert.deepEqual(readdirSync(directory), ['file'])
  await leasehold.writeJsonFileAtomically(path, 'new')
  assert.equal(readFileSync(path, 'utf8'), '"new"\n')
})

test('a disk that is read-only', async (t) => {
  const { directory, why } = mounted(t, '64k')
  if (why) return t.skip(why)
  const path = join(directory, 'file')
  writeFileSync(path, OLD)
  assert.equal(spawnSync('mount', ['-o', 'remount,ro', directory]).status, 0)
  for (const error of await failing(t, path)) checkError(error, 'EROFS', path)
  const below = join(directory, 'below')
  for (const error of await failing(t, join(below, 'file'))) checkError(error, 'EROFS', below)
  assert.equal(readFileSync(path, 'utf8'), OLD)
  assert.deepEqual(await leasehold.readJsonFileWithFallback(path, 0), { value: 'old', exists: true })
})

test('a directory that this user may not write to', { skip: noModes }, async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'closed', 'file')
  mkdirSync(join(directory, 'closed'))
  writeFileSync(path, OLD, { mode: 0o666 })
  chmodSync(path, 0o666)
  chmodSync(join(directory, 'closed'), 0o555)
  chmodSync(directory, 0o755)
  // Root may write everywhere.
  const user = process.getuid() === 0 ? 65_534 : undefined
  for (const error of await failing(t, path, undefined, user)) checkError(error, 'EACCES', path, 'open')
  assert.equal(readFileSync(path, 'utf8'), OLD)
  chmodSync(join(directory, 'closed'), 0o755)
})
