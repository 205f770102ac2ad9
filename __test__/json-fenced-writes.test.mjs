// A write with a lock happens if the lock is held immediately before, and otherwise not at all.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const { LockError, LockLostError, acquireFileLock, acquireSessionWriteLock, updateJsonFile, withFileLock } = leasehold
const skip = await whyNoTampering()

const writes = {
  writeJsonFileAtomically: (path, lock) => leasehold.writeJsonFileAtomically(path, 'new', { lock }),
  saveJsonFile: async (path, lock) => leasehold.saveJsonFile(path, 'new', { lock }),
}

for (const [name, write] of Object.entries(writes)) {
  describe(name, () => {
    test('writes under a lock that is held, of whatever file and kind', async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      const locks = [
        await acquireFileLock(path),
        await acquireFileLock(join(directory, 'other')),
        await acquireSessionWriteLock({ sessionFile: join(directory, 'session') }),
      ]
      for (const lock of locks) {
        rmSync(path, { force: true })
        await write(path, lock)
        assert.equal(readFileSync(path, 'utf8'), '"new"\n')
        await lock.release()
      }
      assert.deepEqual(readdirSync(directory), ['file'])
    })

    for (const existing of [true, false]) {
      const nothing = existing ? 'the old content stays' : 'nothing is created'
      test(`refuses a lock that was taken away: ${nothing}`, async (t) => {
        const directory = scratch(t)
        const path = existing ? join(directory, 'file') : join(directory, 'missing', 'file')
        if (existing) writeFileSync(path, '"old"')
        const lock = await acquireFileLock(join(directory, 'locked'), { label: 'fenced' })
        rmSync(lock.lockPath)
        for (let time = 0; time < 2; time += 1) {
          await assert.rejects(write(path, lock), (error) => {
            assert.ok(error instanceof LockLostError, error.stack)
            assert.equal(error.reason, 'removed')
            assert.equal(error.label, 'fenced')
            assert.match(error.acquiredAt, /json-fenced-writes/)
            return true
          })
        }
        assert.ok(lock.signal.aborted)
        assert.deepEqual(readdirSync(directory), existing ? ['file'] : [])
        if (existing) assert.equal(readFileSync(path, 'utf8'), '"old"')
        await lock.release()
      })
    }

    test('refuses a lock that was replaced by another owner', async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      writeFileSync(path, '"old"')
      const lock = await acquireFileLock(path)
      // Replaced in one step: between two, the heart could see it missing.
      const record = { pid: process.pid, createdAt: new Date().toISOString() }
      writeFileSync(join(directory, 'foreign'), JSON.stringify(record))
      renameSync(join(directory, 'foreign'), lock.lockPath)
      await assert.rejects(write(path, lock), (error) => error instanceof LockLostError && error.reason === 'replaced')
      assert.equal(readFileSync(path, 'utf8'), '"old"')
      await lock.release()
    })

    test('refuses a lock that was released', async (t) => {
      const path = join(scratch(t), 'file')
      const lock = await acquireFileLock(path)
      await lock.release()
      const isTold = (error) => error instanceof LockError && error.code === 'file_lock_released'
      await assert.rejects(write(path, lock), isTold)
      assert.ok(!existsSync(path))
    })

    for (const when of ['a new file', 'an old one', 'a named one']) {
      test(`notices a loss while ${when} is written, and takes it back`, { skip }, async (t) => {
        const directory = scratch(t)
        const path = join(directory, 'file')
        if (when !== 'a new file') writeFileSync(path, '"old"')
        const writer = child(
          t,
          async ({ leasehold, send, begin, args: { path, name } }) => {
            const lock = await leasehold.acquireFileLock(path, { maxHoldMs: Infinity })
            await begin()
            try {
              await leasehold[name](path, 'new', { lock })
              send({ outcome: 'written' })
            } catch (error) {
              send({ outcome: error.name, reason: error.reason })
            }
          },
          { args: { path, name } },
        )
        await writer.next('ready')
        // The lock goes while the sync of the complete file is delayed.
        const named = when === 'a named one' ? ['linkat:error=EOPNOTSUPP'] : []
        const { hits } = await tamper(t, writer.pid, [...named, 'fsync:delay_exit=2000000'])
        writer.send({ start: true })
        await until(() => hits().includes('fsync'))
        rmSync(`${path}.lock`)
        assert.deepEqual(await writer.next('outcome'), { outcome: 'LockLostError', reason: 'removed' })
        assert.deepEqual(readdirSync(directory), when === 'a new file' ? [] : ['file'])
        if (when !== 'a new file') assert.equal(readFileSync(path, 'utf8'), '"old"')
      })
    }
  })
}

describe('updateJsonFile', () => {
  test('writes nothing when its lock was taken away while mutate ran', async (t) => {
    const path = join(scratch(t), 'file')
    writeFileSync(path, '"old"')
    await assert.rejects(
      updateJsonFile(path, 'none', () => {
        rmSync(`${path}.lock`)
        return 'new'
      }),
      (error) => error instanceof LockLostError && error.reason === 'removed',
    )
    assert.equal(readFileSync(path, 'utf8'), '"old"')
  })

  test('writes nothing when mutate takes longer than maxHoldMs', async (t) => {
    const path = join(scratch(t), 'file')
    writeFileSync(path, '"old"')
    const lost = updateJsonFile(
      path,
      'none',
      async () => {
        await until(() => !existsSync(`${path}.lock`))
        return 'new'
      },
      { maxHoldMs: 100 },
    )
    await assert.rejects(lost, (error) => error instanceof LockLostError && error.reason === 'max-hold')
    assert.equal(readFileSync(path, 'utf8'), '"old"')
  })
})

test('a write that nobody waits for keeps its lock until it is done', async (t) => {
  const path = join(scratch(t), 'file')
  let written
  await withFileLock(path, (lock) => {
    written = leasehold.writeJsonFileAtomically(path, 'new', { lock }).then(
      () => 'written',
      (error) => error.code,
    )
  })
  // Either the write was quicker than the release, or it was refused: never both.
  const outcome = await written
  assert.ok(['written', 'file_lock_released'].includes(outcome), outcome)
  assert.equal(existsSync(path), outcome === 'written')
})
