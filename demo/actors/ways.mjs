// The ways to have a lock around some work: the right ones, and mistakes that leak it.

import { appendFile } from 'node:fs/promises'
import { acquireSessionWriteLock, withFileLock } from 'leasehold'

// Tasks of one process share a session lock by default; here each wants its own turn.
const acquire = (file, terms) => acquireSessionWriteLock({ sessionFile: file, allowReentrant: false, ...terms })

export const WAYS = {
  withFileLock,

  /** What OpenClaw's callers do. */
  async acquireSessionWriteLock(file, terms, work) {
    const lock = await acquire(file, terms)
    try {
      return await work(lock)
    } finally {
      await lock.release()
    }
  },

  async 'a release that an exception skips'(file, terms, work) {
    const lock = await acquire(file, terms)
    const result = await work(lock)
    await lock.release()
    return result
  },

  async 'a release taken out of its handle'(file, terms, work) {
    const { release } = await acquire(file, terms)
    const result = await work({ appendFile: (data) => appendFile(file, data) })
    await release()
    return result
  },
}
