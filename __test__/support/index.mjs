// What the suites share: scratch directories, real child processes and workers to talk to, and waiting.

import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from './after.mjs'
import { patience } from './platform.mjs'

export { after } from './after.mjs'
export { child, holder } from './child.mjs'
export { worker } from './worker.mjs'

/** The module under test, for `import` from anywhere. */
export const addonUrl = new URL('../../index.js', import.meta.url).href

/** The module under test, with every export as a property. */
export const leasehold = createRequire(import.meta.url)('../../index.js')

/** A directory of its own for a test, under its real path; removed after the test. */
export function scratch(t) {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'leasehold-')))
  after(t, () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** What `predicate` returns once that is truthy. For states that no event announces. */
export async function until(predicate, { timeoutMs = 20_000, everyMs = 5 } = {}) {
  const deadline = performance.now() + timeoutMs * patience
  for (;;) {
    const value = await predicate()
    if (value) return value
    if (performance.now() > deadline) throw new Error(`not so within ${timeoutMs} ms: ${predicate}`)
    await sleep(everyMs)
  }
}
