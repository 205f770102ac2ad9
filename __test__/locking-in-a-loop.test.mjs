// Taking a free lock does not wait, yet a loop that only locks and unlocks lets the event loop turn.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { leasehold, scratch } from './support/index.mjs'
import { patience } from './support/platform.mjs'

const { acquireFileLock, acquireSessionWriteLock, withFileLock } = leasehold
/** Far above what a timer and a small file take, at whatever pace the event loop turns. */
const LONG = 20_000

for (const [name, lockOnce] of Object.entries({
  acquireFileLock: async (path) => (await acquireFileLock(path)).release(),
  acquireSessionWriteLock: async (path) => (await acquireSessionWriteLock({ sessionFile: path })).release(),
  withFileLock: (path) => withFileLock(path, () => {}),
  'withFileLock, re-entered,': (path) => withFileLock(path, () => withFileLock(path, () => {})),
})) {
  test(`timers and reads go on while a loop of ${name} never waits`, async (t) => {
    const path = join(scratch(t), 'file')
    await lockOnce(path) // so that the directory is known
    let isOver = false
    const others = Promise.all([setTimeout(1), readFile(fileURLToPath(import.meta.url))]).then(() => (isOver = true))
    const limit = performance.now() + LONG * patience
    while (!isOver && performance.now() < limit) await lockOnce(path)
    assert.ok(isOver, 'the event loop did not turn')
    await others
  })
}
