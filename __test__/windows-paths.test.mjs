// However a path is written on Windows, its file has one lock, under the name that Node shows.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { child, holder, leasehold, scratch } from './support/index.mjs'
import { onWindows, onWine } from './support/platform.mjs'

const skip = !onWindows && 'this is about Windows'
const { acquireFileLock, acquireSessionWriteLock, inspectLock, withFileLock } = leasehold

/** Other ways to write `path`, which is a real one. */
function spellings(path) {
  return {
    'in capitals': path.toUpperCase(),
    'in small letters': path.toLowerCase(),
    'with the drive in small letters': path[0].toLowerCase() + path.slice(1),
    'with slashes': path.replaceAll('\\', '/'),
    'with the long prefix': `\\\\?\\${path}`,
    'as a device': `\\\\.\\${path}`,
    'with a dot at the end': `${path}.`,
    'with a space at the end': `${path} `,
    'with a slash at the end': `${path}\\`,
    'with dots in it': join(dirname(path)) + `\\.\\missing\\..\\${basename(path)}`,
  }
}

test('the lock path is what Node makes of the path', { skip }, async (t) => {
  const path = join(scratch(t), 'Session.jsonl')
  const expected = `${join(realpathSync.native(dirname(path)), 'Session.jsonl')}.lock`
  const smallDrive = path[0].toLowerCase() + path.slice(1)
  // The last one twice: the second time, the directory is known.
  for (const given of [path, `\\\\?\\${path}`, smallDrive, smallDrive]) {
    const lock = await acquireSessionWriteLock({ sessionFile: given })
    assert.equal(lock.lockPath, expected, given)
    assert.ok(existsSync(expected))
    await lock.release()
  }
})

test('tasks that write the path differently exclude each other, and nested calls re-enter', { skip }, async (t) => {
  const path = join(scratch(t), 'Some File.json')
  for (const [how, other] of Object.entries(spellings(path))) {
    await withFileLock(path, async (outer) => {
      const nested = await withFileLock(other, (inner) => inner.token)
      assert.equal(nested, outer.token, how)
    })
    const held = await acquireFileLock(path)
    await assert.rejects(acquireFileLock(other, { timeoutMs: 50 }), { code: 'file_lock_timeout' }, how)
    assert.equal((await inspectLock(other)).owner.place, 'this-process', how)
    await held.release()
  }
})

test('processes that write the path differently exclude each other', { skip }, async (t) => {
  const path = join(scratch(t), 'file.json')
  for (const [how, other] of Object.entries(spellings(path))) {
    const held = await holder(t, other)
    await assert.rejects(acquireFileLock(path, { timeoutMs: 50 }), { code: 'file_lock_timeout' }, how)
    await held.release()
    await (await acquireFileLock(path)).release()
  }
})

test('a path relative to a drive is taken from where one is there', { skip }, async (t) => {
  const directory = scratch(t)
  const one = child(
    t,
    async ({ leasehold, send, args: { drive } }) => {
      const lock = await leasehold.acquireFileLock(`${drive}file`)
      send({ lockPath: lock.lockPath })
      await lock.release()
    },
    { args: { drive: directory.slice(0, 2) }, cwd: directory },
  )
  assert.equal((await one.next('lockPath')).lockPath, join(directory, 'file.lock'))
  await one.exit
})

/** The short (8.3) name of `name` in `directory`, if it has one. */
function shortName(directory, name) {
  const { stdout } = spawnSync('cmd', ['/d', '/c', 'dir', '/x'], { cwd: directory, encoding: 'utf8' })
  const line = stdout.split(/\r?\n/).find((line) => line.endsWith(` ${name}`))
  return /\S*~\S*/.exec(line.slice(0, -name.length))?.[0]
}

test('a short name leads to the lock of the long one', { skip }, async (t) => {
  const directory = scratch(t)
  const below = join(directory, 'a long name of a directory')
  mkdirSync(below)
  const path = join(below, 'a long name of a file.json')
  writeFileSync(path, '')
  const names = [shortName(directory, basename(below)), shortName(below, basename(path))]
  if (!names.every(Boolean)) return t.skip('this volume has no short names')
  const short = join(directory, ...names)
  const lock = await acquireFileLock(short)
  assert.equal(lock.lockPath, `${path}.lock`)
  await assert.rejects(acquireFileLock(path, { timeoutMs: 50 }), { code: 'file_lock_timeout' })
  await lock.release()
  const held = await holder(t, path)
  await assert.rejects(acquireFileLock(short, { timeoutMs: 50 }), { code: 'file_lock_timeout' })
  await held.release()
})

test('streams, devices and names that most programs cannot reach are refused', { skip }, async (t) => {
  const directory = scratch(t)
  for (const [name, problem] of [
    ['file:stream', /stream/], ['file::$DATA', /stream/], ['NUL', /device/], ['con', /device/], ['com1.txt', /device/],
    ['a*b', /character/], ['a|b', /character/],
  ]) {
    for (const path of [join(directory, name), name]) {
      const isClear = (error) => {
        assert.ok(error instanceof TypeError && error.code === 'ERR_INVALID_ARG_VALUE', error.stack)
        assert.match(error.message, problem)
        return true
      }
      await assert.rejects(acquireFileLock(path), isClear, path)
    }
  }
  const unreachable = `\\\\?\\${join(directory, 'file.')}`
  await assert.rejects(acquireFileLock(unreachable), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.deepEqual(readdirSync(directory), [])
})

test('a path beyond the old limit of 260 characters is locked like any other', { skip }, async (t) => {
  // Wine cannot tell the real path of a long directory: there only the file goes beyond the limit.
  const deep = join(scratch(t), ...(onWine ? ['d'.repeat(180)] : Array(6).fill('d'.repeat(60))))
  mkdirSync(deep, { recursive: true })
  const path = join(deep, 'f'.repeat(100))
  assert.ok(path.length > 260)
  const held = await holder(t, path)
  assert.equal(held.lockPath, `${path}.lock`)
  const waiting = acquireFileLock(path, { timeoutMs: 60_000 })
  held.kill()
  const lock = await waiting
  assert.equal(lock.recoveredFrom, 'owner-died')
  await lock.release()
  assert.deepEqual(readdirSync(deep), [])
})
