// To be preloaded: keeps every handle of a `withFileLock` reachable, so that none is ever collected.

'use strict'
const leasehold = require('leasehold')

const { withFileLock } = leasehold
const kept = (globalThis.keptHandles = [])

leasehold.withFileLock = (path, options, fn) => {
  return withFileLock(path, options, (handle) => {
    kept.push(handle)
    return fn(handle)
  })
}
