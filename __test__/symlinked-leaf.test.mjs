// A symbolic link as the last component counts as a file of its own: it is not followed.

import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'
import { noFileLinks, noDirectoryLinks } from './support/platform.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, inspectLock } = leasehold

for (const [what, make] of [
  ['a link to a file of the same directory', (root) => {
    writeFileSync(join(root, 'target'), 'text')
    symlinkSync('target', join(root, 'link'))
  }],
  ['a link to a file of another directory', (root) => {
    mkdirSync(join(root, 'other'))
    writeFileSync(join(root, 'other', 'target'), 'text')
    symlinkSync(join(root, 'other', 'target'), join(root, 'link'))
  }],
  ['a link that leads nowhere', (root) => symlinkSync('nowhere', join(root, 'link'))],
  ['a link to a directory', (root) => {
    mkdirSync(join(root, 'other'))
    symlinkSync('other', join(root, 'link'), 'dir')
  }],
  ['a link to itself', (root) => symlinkSync('link', join(root, 'link'))],
]) {
  test(`the lock of ${what} stands beside the link`, { skip: noFileLinks || noDirectoryLinks }, async (t) => {
    const root = scratch(t)
    make(root)
    const before = readdirSync(root, { recursive: true }).sort()
    const path = join(root, 'link')
    for (const ask of [
      () => acquireFileLock(path),
      () => acquireFileLockSync(path),
      () => acquireSessionWriteLock({ sessionFile: path }),
    ]) {
      const handle = await ask()
      assert.equal(handle.lockPath, join(root, 'link.lock'))
      assert.deepEqual(readdirSync(root, { recursive: true }).sort(), [...before, 'link.lock'].sort())
      assert.equal((await inspectLock(path)).lockPath, join(root, 'link.lock'))
      await handle.release()
    }
    assert.ok(lstatSync(path).isSymbolicLink())
    assert.deepEqual(readdirSync(root, { recursive: true }).sort(), before)
  })
}

test('a link and what it points to have different locks', async (t) => {
  const root = scratch(t)
  writeFileSync(join(root, 'target'), 'text')
  symlinkSync('target', join(root, 'link'))
  const one = await acquireFileLock(join(root, 'link'))
  const two = await acquireFileLock(join(root, 'target'), { timeoutMs: 5000 })
  assert.notEqual(one.lockPath, two.lockPath)
  await one.release()
  await two.release()
  assert.equal(readFileSync(join(root, 'target'), 'utf8'), 'text')
})
