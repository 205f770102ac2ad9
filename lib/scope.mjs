// What the current async call chain holds. Only numbers: a scope outlives the work that it names (in timers, sockets
// and listeners made inside it) and must not keep the lease of that work.

import { AsyncLocalStorage, AsyncResource, executionAsyncResource } from 'node:async_hooks'

/** The chains, created when first needed: the first storage of a process makes Node load a lot. */
let storage
let reports
const NONE = Object.freeze([])
/** The async context in which this was loaded, which is also that of the native part's calls. */
const loading = new AsyncResource('LEASEHOLD')

/**
 * The current call chain: for each work in it, outermost first, the number of the lease and that of the handle it was
 * given. The same chain is always the same array.
 */
export function chain() {
  return storage?.getStore() ?? NONE
}

/** The current call chain, if it is inside any work. */
export function within() {
  const scopes = chain()
  return scopes.length > 0 ? scopes : undefined
}

/** The handles in a chain, outermost first. */
export function holdsIn(scopes) {
  return scopes.filter((_, index) => index % 2 === 1)
}

/** Calls `fn` with a lease added to the chain. */
export function runWithin(lease, hold, fn) {
  storage ??= new AsyncLocalStorage()
  return storage.run([...chain(), lease, hold], fn)
}

/**
 * Calls `fn` outside of the work that happens to be going on, and of the program's own contexts: for what is no concern
 * of theirs, and for what would keep them as long as it lives.
 */
export function outside(fn, ...args) {
  return loading.runInAsyncScope(fn, undefined, ...args)
}

/**
 * Whether an unhandled rejection is reported in the chain in which its promise was made. That is so where stores are
 * kept in async resources; elsewhere (Node 24 and later) it is the chain in which the promise was rejected.
 */
export function reportsOrigins() {
  reports ??= new AsyncLocalStorage().run(NONE, () => {
    const resource = executionAsyncResource()
    return Object.getOwnPropertySymbols(resource).some((symbol) => resource[symbol] === NONE)
  })
  return reports
}
