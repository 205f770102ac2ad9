'use strict'
// A rejection that nobody handles, inside the work of a lock, in a process that lives on: the work has
// usually died with it, and the lock is given back.
//
// What Node does about such rejections depends on who listens, so we only ever listen beside others.

const { environment } = require('./environment.js')
const { chain } = require('./scope.js')

/** For how long a rejection may still be handled after all. */
const GRACE_MS = 500

/** The leases whose work runs and is to be released so. */
const watched = new Set()
/** Rejections in their grace, with the timer that ends it. */
const graces = new Set()
let listening = false
let beside = false

/** Watches the work of a lease. */
function watch(leaseId) {
  listen()
  watched.add(leaseId)
}

/** The work ended. */
function unwatch(leaseId) {
  watched.delete(leaseId)
}

function listen() {
  if (listening) return
  listening = true
  // Told about every uncaught error, and part of no decision about it.
  process.on('uncaughtExceptionMonitor', (error, origin) => {
    if (origin === 'unhandledRejection') suspect(error)
  })
  process.on('newListener', (event, listener) => {
    if (event === 'unhandledRejection' && listener !== onRejection) joinOthers()
  })
  process.on('removeListener', (event) => {
    if (event === 'unhandledRejection') leaveWithOthers()
  })
  if (process.listenerCount('unhandledRejection') > 0) joinOthers()
}

function joinOthers() {
  if (beside) return
  beside = true
  process.on('unhandledRejection', onRejection)
  process.on('rejectionHandled', onHandled)
}

function leaveWithOthers() {
  const others = process.listeners('unhandledRejection').some((listener) => listener !== onRejection)
  if (!beside || others) return
  beside = false
  process.removeListener('unhandledRejection', onRejection)
  process.removeListener('rejectionHandled', onHandled)
}

function onRejection(reason, promise) {
  suspect(reason, promise)
}

/** Node runs these listeners in the async context of the promise that rejected. */
function suspect(reason, promise) {
  const leases = chain()
  if (!watched.has(leases.at(-1))) return
  const grace = { promise }
  grace.timer = setTimeout(() => {
    graces.delete(grace)
    // The outer calls of the chain wait for the inner one, so they are as stuck as it is.
    for (const lease of leases) if (watched.has(lease)) environment.limit(lease, 0, 'unhandled-rejection')
  }, GRACE_MS)
  grace.timer.unref()
  graces.add(grace)
}

function onHandled(promise) {
  for (const grace of graces) {
    if (grace.promise !== promise) continue
    clearTimeout(grace.timer)
    graces.delete(grace)
  }
}

module.exports = { unwatch, watch }
