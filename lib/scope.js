'use strict'
// Which leases the current async call chain holds. Only numbers: a scope outlives the work that it
// names (in timers, sockets and listeners made inside it) and must not keep its lease.

const { AsyncLocalStorage } = require('node:async_hooks')

const storage = new AsyncLocalStorage()
const NONE = Object.freeze([])

/** The leases of the current call chain, outermost first. */
function chain() {
  return storage.getStore() ?? NONE
}

/** Calls `fn` with `leaseId` added to the chain. */
function runWithin(leaseId, fn) {
  return storage.run([...chain(), leaseId], fn)
}

module.exports = { chain, runWithin }
