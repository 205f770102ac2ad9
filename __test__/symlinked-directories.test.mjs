// However the path of a directory is spelled, its files have one lock each.

import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { test } from 'node:test'
import { child, holder, leasehold, scratch } from './support/index.mjs'
import { noDirectoryLinks as skip } from './support/platform.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, withFileLock } = leasehold
const { heldLocks, inspectLock } = leasehold
const SOON = { timeoutMs: 150 }
const timeout = (error) => /_timeout$/i.test(error.code)

/** `real/`, `link` → `real`, `far` → `link`, and `deep/` with `deep/up` → `..`. */
function tangle(t) {
  const root = scratch(t)
  mkdirSync(join(root, 'real'))
  mkdirSync(join(root, 'deep'))
  symlinkSync(join(root, 'real'), join(root, 'link'), 'dir')
  symlinkSync('link', join(root, 'far'), 'dir')
  symlinkSync('..', join(root, 'deep', 'up'), 'dir')
  const spellings = {
    'the real path': join(root, 'real', 'file'),
    'a link': join(root, 'link', 'file'),
    'a link to a link': join(root, 'far', 'file'),
    'a link in the middle': join(root, 'deep', 'up', 'far', 'file'),
    'a relative path': relative(process.cwd(), join(root, 'real', 'file')),
    'a relative path through a link': relative(process.cwd(), join(root, 'link', 'file')),
    'dots': [root, 'deep', '.', '..', 'real', '', 'file'].join(sep),
    'a slash at the end': join(root, 'real', 'file') + sep,
  }
  return { root, spellings, lockPath: join(root, 'real', 'file.lock') }
}

/** Checks that no spelling gets the lock while somebody has it. */
async function refused(spellings) {
  await Promise.all(
    Object.entries(spellings).map(([spelling, path]) => assert.rejects(acquireFileLock(path, SOON), timeout, spelling)),
  )
}

test('every spelling leads to the same lock file', { skip }, async (t) => {
  const { spellings, lockPath } = tangle(t)
  for (const [spelling, path] of Object.entries(spellings)) {
    const handles = [
      () => acquireFileLock(path),
      () => acquireFileLockSync(path),
      () => acquireSessionWriteLock({ sessionFile: path }),
    ]
    for (const ask of handles) {
      const handle = await ask()
      assert.equal(handle.lockPath, lockPath, spelling)
      assert.ok(existsSync(lockPath))
      assert.equal((await inspectLock(path)).lockPath, lockPath)
      await handle.release()
    }
  }
})

test('tasks that spell the directory differently exclude each other', { skip }, async (t) => {
  const { spellings } = tangle(t)
  for (const path of Object.values(spellings)) {
    const handle = await acquireFileLock(path)
    await refused(spellings)
    assert.equal(heldLocks().length, 1)
    await handle.release()
  }
})

test('processes that spell the directory differently exclude each other', { skip }, async (t) => {
  const { spellings, lockPath } = tangle(t)
  const other = await holder(t, spellings['a link to a link'])
  assert.equal(other.lockPath, lockPath)
  await refused(spellings)
  const next = acquireFileLock(spellings['the real path'])
  await other.release()
  await (await next).release()
})

test('a nested call re-enters through another spelling', { skip }, async (t) => {
  const { spellings, lockPath } = tangle(t)
  await withFileLock(spellings['a link'], async (outer) => {
    await withFileLock(spellings['the real path'], { timeoutMs: 5000 }, (inner) => {
      assert.equal(inner.token, outer.token)
      assert.equal(inner.lockPath, lockPath)
    })
  })
})

test('".." is taken off the text before any link is followed, as path.resolve does', { skip }, async (t) => {
  const { root } = tangle(t)
  mkdirSync(join(root, 'real', 'inner'))
  symlinkSync(join(root, 'real', 'inner'), join(root, 'jump'), 'dir')
  const handle = await acquireFileLock([root, 'jump', '..', 'file'].join(sep))
  assert.equal(handle.lockPath, join(root, 'file.lock'))
  await handle.release()
})

test('a link that was moved leads to the lock of where it points now', { skip }, async (t) => {
  const { root } = tangle(t)
  const link = join(root, 'moving')
  const file = join(link, 'file')
  mkdirSync(join(root, 'other'))
  symlinkSync(join(root, 'real'), link, 'dir')
  const before = await acquireFileLock(file)
  assert.equal(before.lockPath, join(root, 'real', 'file.lock'))
  unlinkSync(link)
  symlinkSync(join(root, 'other'), link, 'dir')
  const after = await acquireFileLock(file, SOON)
  assert.equal(after.lockPath, join(root, 'other', 'file.lock'))
  before.assertHeld()
  after.assertHeld()
  assert.equal(heldLocks().length, 2)
  await before.release()
  assert.equal(existsSync(join(root, 'real', 'file.lock')), false)
  assert.ok(existsSync(join(root, 'other', 'file.lock')))
  await after.release()
})

test('a directory that moved and left a link behind has one lock still', { skip }, async (t) => {
  const root = scratch(t)
  const [before, after] = [join(root, 'before'), join(root, 'after')]
  mkdirSync(before)
  await withFileLock(join(before, 'file'), () => {})
  renameSync(before, after)
  symlinkSync(after, before, 'dir')
  const handle = await acquireFileLock(join(before, 'file'))
  await assert.rejects(acquireFileLock(join(after, 'file'), SOON), timeout)
  const elsewhere = child(
    t,
    async ({ leasehold, send, args }) => {
      const refused = await leasehold.acquireFileLock(args, { timeoutMs: 150 }).catch((error) => error)
      send({ code: refused.code })
    },
    { args: join(after, 'file') },
  )
  assert.deepEqual(await elsewhere.next(), { code: 'file_lock_timeout' })
  handle.assertHeld()
  await handle.release()
  const there = await acquireFileLock(join(after, 'file'))
  await assert.rejects(acquireFileLock(join(before, 'file'), SOON), timeout)
  await there.release()
  assert.deepEqual(readdirSync(after), [])
})

test('a relative path means what it meant when the lock was asked for', { skip }, async (t) => {
  const root = scratch(t)
  const [one, two] = [join(root, 'one'), join(root, 'two')]
  mkdirSync(one)
  mkdirSync(two)
  const elsewhere = child(
    t,
    async ({ leasehold, send, args }) => {
      const handles = []
      for (let index = 0; index < 100; index += 1) {
        process.chdir(args.one)
        const asked = leasehold.acquireFileLock(`new-${index}/file`)
        process.chdir(args.two)
        handles.push(await asked)
      }
      send(handles.map((handle) => handle.lockPath))
    },
    { args: { one, two } },
  )
  const lockPaths = await elsewhere.next()
  assert.deepEqual(lockPaths, lockPaths.map((_, index) => join(one, `new-${index}`, 'file.lock')))
  assert.deepEqual(readdirSync(two), [])
})

test('a link that leads nowhere is refused, and left as it is', { skip }, async (t) => {
  const root = scratch(t)
  symlinkSync(join(root, 'nowhere'), join(root, 'dangling'), 'dir')
  await assert.rejects(acquireFileLock(join(root, 'dangling', 'file')), (error) => {
    assert.ok(['ENOENT', 'EEXIST'].includes(error.code), error.code)
    return true
  })
  assert.ok(lstatSync(join(root, 'dangling')).isSymbolicLink())
  assert.deepEqual(readdirSync(root), ['dangling'])
})

test('links that lead in a circle are refused', { skip }, async (t) => {
  const root = scratch(t)
  symlinkSync('loop', join(root, 'loop'), 'dir')
  await assert.rejects(acquireFileLock(join(root, 'loop', 'file')), { code: 'ELOOP' })
})
