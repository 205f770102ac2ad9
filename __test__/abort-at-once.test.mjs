// An abort right after the call takes effect.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch, sleep } from './support/index.mjs'

test('work aborted before it begins does not begin, or is limited like any other', async (t) => {
  const directory = scratch(t)
  await leasehold.withFileLock(join(directory, 'first'), () => {}) // so that the directory is known
  const controller = new AbortController()
  const options = { signal: controller.signal, abortGraceMs: 50 }
  const asked = leasehold.withFileLock(join(directory, 'file'), options, () => sleep(3000))
  controller.abort(new Error('changed my mind'))
  await assert.rejects(asked)
})
