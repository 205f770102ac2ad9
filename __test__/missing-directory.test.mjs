// A lock can be taken for a file whose directory does not exist yet.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, inspectLock, withFileLock, withFileLockSync } =
  leasehold

for (const [name, lock] of [
  ['withFileLock', (path, inside) => withFileLock(path, inside)],
  ['withFileLockSync', async (path, inside) => withFileLockSync(path, inside)],
  ['acquireFileLock', async (path, inside) => held(await acquireFileLock(path), inside)],
  ['acquireFileLockSync', async (path, inside) => held(acquireFileLockSync(path), inside)],
  [
    'acquireSessionWriteLock',
    async (path, inside) => held(await acquireSessionWriteLock({ sessionFile: path }), inside),
  ],
]) {
  test(`${name} creates the directories that are missing`, async (t) => {
    const directory = join(scratch(t), 'a', 'b', 'c')
    const path = join(directory, 'file')
    await lock(path, (handle) => {
      assert.equal(handle.lockPath, `${path}.lock`)
      assert.ok(statSync(directory).isDirectory())
      assert.deepEqual(readdirSync(directory), ['file.lock'])
    })
    assert.deepEqual(readdirSync(directory), [], 'the directory stays, the lock file goes')
  })
}

async function held(handle, inside) {
  try {
    inside(handle)
  } finally {
    await handle.release()
  }
}

test('the file itself is not created', async (t) => {
  const path = join(scratch(t), 'file')
  await withFileLock(path, () => assert.equal(existsSync(path), false))
  assert.equal(existsSync(path), false)
})

test('a directory that vanished since it was last used is created again', async (t) => {
  const directory = join(scratch(t), 'a', 'b')
  const path = join(directory, 'file')
  for (let round = 0; round < 3; round += 1) {
    await withFileLock(path, () => assert.ok(existsSync(`${path}.lock`)))
    withFileLockSync(path, () => assert.ok(existsSync(`${path}.lock`)))
    rmSync(join(directory, '..'), { recursive: true })
  }
})

test('several processes that create the same directory at once all get their turn', async (t) => {
  const root = scratch(t)
  const work = async ({ leasehold, send, begin, args: { root } }) => {
    await begin()
    for (let round = 0; round < 30; round += 1) {
      await leasehold.withFileLock(`${root}/a-${round}/b/file`, { timeoutMs: 30_000 }, () => {})
    }
    send({ done: true })
  }
  const processes = [1, 2, 3].map(() => child(t, work, { args: { root } }))
  for (const each of processes) await each.next('ready')
  for (const each of processes) each.send({ start: true })
  for (const each of processes) await each.next('done')
  assert.equal(readdirSync(root).length, 30)
})

test('a file where a directory should be is the system\'s own error', async (t) => {
  const root = scratch(t)
  writeFileSync(join(root, 'file'), '')
  for (const path of [join(root, 'file', 'below'), join(root, 'file', 'far', 'below')]) {
    await assert.rejects(acquireFileLock(path), (error) => {
      assert.ok(['ENOTDIR', 'EEXIST'].includes(error.code), error.code)
      assert.equal(error.path.startsWith(join(root, 'file')), true)
      return true
    })
  }
  assert.deepEqual(readdirSync(root), ['file'])
})

test('looking at a lock creates nothing', async (t) => {
  const root = scratch(t)
  const seen = await inspectLock(join(root, 'missing', 'file'))
  assert.equal(seen.exists, false)
  assert.equal(seen.held, false)
  assert.deepEqual(readdirSync(root), [])
})

test('a directory is created for a lock that is free to be had without waiting', async (t) => {
  const root = scratch(t)
  mkdirSync(join(root, 'there'))
  for (const path of [join(root, 'there', 'file'), join(root, 'missing', 'file')]) {
    const handle = await acquireFileLock(path, { retries: { retries: 0 } })
    await handle.release()
  }
})
