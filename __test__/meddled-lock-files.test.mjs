// The removal or replacement of a lock file is noticed, and what stands in its place is left alone.

import assert from 'node:assert/strict'
import {
  chmodSync, existsSync, readFileSync, readdirSync, renameSync, statSync, unlinkSync, writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { after, child, leasehold, scratch, sleep, until } from './support/index.mjs'
import { assertLost, assertTold, warningsAbout } from './support/losses.mjs'

describe('a lock file', { concurrency: 4 }, () => {
  for (const [name, meddle, reason] of [
    ['is removed', (lockPath) => unlinkSync(lockPath), 'removed'],
    [
      'is replaced by a rename',
      (lockPath) => {
        writeFileSync(`${lockPath}-theirs`, 'theirs')
        renameSync(`${lockPath}-theirs`, lockPath)
      },
      'replaced',
    ],
    [
      'is removed and created again, with the very same record',
      (lockPath) => {
        // Prepared, so that no beat finds the name free in between.
        writeFileSync(`${lockPath}-other`, readFileSync(lockPath))
        unlinkSync(lockPath)
        renameSync(`${lockPath}-other`, lockPath)
      },
      'replaced',
    ],
    [
      'is moved aside and replaced',
      (lockPath) => {
        renameSync(lockPath, `${lockPath}-aside`)
        writeFileSync(lockPath, 'theirs')
      },
      'replaced',
    ],
  ]) {
    test(`that ${name} is noticed by the next beat`, async (t) => {
      const path = join(scratch(t), 'file')
      const warnings = warningsAbout(t, `${path}.lock`)
      const lock = await leasehold.acquireFileLock(path, { leaseMs: 600 })
      const { signal } = lock
      meddle(lock.lockPath)
      const theirs = existsSync(lock.lockPath) ? statSync(lock.lockPath).ino : undefined
      await until(() => signal.aborted)
      assertTold(lock, reason)
      await lock.release()
      if (theirs) assert.equal(statSync(lock.lockPath).ino, theirs, 'release leaves theirs alone')
      await until(() => warnings.length > 0)
    })

    test(`that ${name} is noticed by assertHeld before any beat`, async (t) => {
      const path = join(scratch(t), 'file')
      const lock = await leasehold.acquireFileLock(path)
      meddle(lock.lockPath)
      assert.throws(() => lock.assertHeld(), (error) => assertLost(error, lock, reason))
      await assert.rejects(lock.appendFile('x'), { code: 'file_lock_lost' })
      assert.ok(!existsSync(path))
      assertTold(lock, reason)
    })

    test(`that ${name} is left alone by a release before any beat`, async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      const lock = await leasehold.acquireFileLock(path)
      // A lock this young only knows that its file has a name; without a first look, it misses a move aside.
      if (name.includes('aside')) lock.assertHeld()
      meddle(lock.lockPath)
      const names = readdirSync(directory)
      const theirs = existsSync(lock.lockPath) ? statSync(lock.lockPath).ino : undefined
      await lock.release()
      assert.deepEqual(readdirSync(directory), names)
      if (theirs) assert.equal(statSync(lock.lockPath).ino, theirs)
    })
  }

  test('a file system that cannot answer for a while is no loss', async (t) => {
    if (!process.getuid) return t.skip('permissions cannot hide a directory here')
    const directory = scratch(t)
    const path = join(directory, 'file')
    chmodSync(directory, 0o777)
    const holding = child(
      t,
      async ({ leasehold, send, next, args: { path } }) => {
        if (process.getuid() === 0) {
          process.setgid(65_534)
          process.setuid(65_534) // root may look everywhere
        }
        process.chdir('/')
        const lock = await leasehold.acquireFileLock(path, { leaseMs: 300 })
        send({ lockPath: lock.lockPath, signal: lock.signal.aborted })
        await next('look')
        let error
        try {
          lock.assertHeld()
        } catch ({ code }) {
          error = code
        }
        send({ error, held: lock.held, aborted: lock.signal.aborted })
        await next('release')
        lock.assertHeld()
        await lock.release()
        send({ released: true })
      },
      { args: { path } },
    )
    const { lockPath } = await holding.next('lockPath')
    const owner = statSync(directory)
    chmodSync(directory, 0o000)
    after(t, () => chmodSync(directory, owner.mode & 0o777))
    await sleep(800) // several beats and more than a lease
    holding.send({ look: true })
    const { error, held, aborted } = await holding.next('held')
    assert.deepEqual([error, held, aborted], ['EACCES', true, false])
    chmodSync(directory, 0o777)
    assert.ok(existsSync(lockPath))
    holding.send({ release: true })
    await holding.next('released')
    assert.ok(!existsSync(lockPath))
  })
})
