// An abort right after the call counts. (Fails today: the work starts, and goes on for as long as it likes.)
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch, sleep } from './support/index.mjs'

test('work aborted before it begins does not begin, or is limited like any other', async (t) => {
  const directory = scratch(t)
  await leasehold.withFileLock(join(directory, 'first'), () => {}) // so that the directory is known
  const controller = new AbortController()
  const asked = leasehold.withFileLock(join(directory, 'file'), { signal: controller.signal, abortGraceMs: 50 }, () => sleep(3000))
  controller.abort(new Error('changed my mind'))
  await assert.rejects(asked)
})
