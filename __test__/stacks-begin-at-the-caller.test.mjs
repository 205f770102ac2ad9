// What the error of a lost or refused lock points to is the line that asked for the lock, and nothing of ours.

import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, withFileLock } = leasehold

/** Each takes a lock for `use`, from a function whose name shows in the stack. */
const WAYS = {
  async acquireFileLock(path, timeoutMs, use) {
    const caller = () => acquireFileLock(path, { timeoutMs })
    use(await caller())
  },
  async acquireSessionWriteLock(sessionFile, timeoutMs, use) {
    const caller = () => acquireSessionWriteLock({ sessionFile, timeoutMs, allowReentrant: false })
    use(await caller())
  },
  async acquireFileLockSync(path, timeoutMs, use) {
    const caller = () => acquireFileLockSync(path, { timeoutMs })
    use(caller())
  },
  async withFileLock(path, timeoutMs, use) {
    const caller = () => withFileLock(path, { timeoutMs }, use)
    await caller()
  },
}
const FROM_CALLER = /^ *at caller /

for (const [name, take] of Object.entries(WAYS)) {
  test(`a lock that ${name} took and lost points at its caller`, async (t) => {
    const lost = await new Promise((resolve, reject) => {
      const lose = (lock) => {
        rmSync(lock.lockPath)
        try {
          lock.assertHeld()
        } catch (error) {
          resolve(error)
        }
      }
      take(join(scratch(t), 'file'), 10_000, lose).catch(reject)
    })
    assert.equal(lost.code, 'file_lock_lost')
    assert.match(lost.acquiredAt, FROM_CALLER)
  })

  // A synchronous call is still on the stack when it fails.
  if (name === 'acquireFileLockSync') continue
  test(`a lock that ${name} is refused points at its caller`, async (t) => {
    const path = join(scratch(t), 'file')
    const holder = await acquireFileLock(path)
    const refused = take(path, 1, () => assert.fail('it is held'))
    await assert.rejects(refused, ({ stack }) => FROM_CALLER.test(stack.replace(/^.*\n/, '')))
    await holder.release()
  })
}
