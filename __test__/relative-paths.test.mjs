// A relative path keeps the meaning that it had when the call was made.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { after, leasehold, scratch } from './support/index.mjs'

test('a relative path is taken from the directory at the time of the call', async (t) => {
  const root = scratch(t)
  const before = process.cwd()
  after(t, () => process.chdir(before)) // before the directory goes
  for (let round = 0; round < 30; round++) {
    const here = join(root, `here-${round}`), there = join(root, `there-${round}`)
    mkdirSync(here)
    mkdirSync(there)
    process.chdir(here)
    const asked = leasehold.acquireFileLock('file')
    process.chdir(there)
    const handle = await asked
    await handle.release()
    assert.equal(handle.lockPath, join(here, 'file.lock'))
  }
})
