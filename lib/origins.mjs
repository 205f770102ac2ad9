// Tells inside which work a promise was made. One made elsewhere is not the work's, even if the work rejects it.
//
// Where Node no longer knows this when it reports a rejection, it has to be noted. That costs every promise half a
// microsecond, so it is done only while work runs under a lock in a process that survives rejections.

import { inspect } from 'node:util'
import { chain, reportsOrigins } from './scope.mjs'
import { setImmediate } from './timers.mjs'

/** The chain in which a promise was made, if that was noted. */
const origins = new WeakMap()
/** Promises that were settled in a chain other than the one that made them, in this turn of the event loop. */
let strangers = []
let noted = ''
let stop = []

/** Starts noting: where promises are `made`, or where they are `made and settled`. */
export function note(what) {
  if (reportsOrigins() || noted === what) return
  forget()
  noted = what
  // Loaded only when needed, since loading takes several milliseconds.
  const { promiseHooks } = require('node:v8')
  stop.push(promiseHooks.onInit(onMade))
  if (what !== 'made') stop.push(promiseHooks.onSettled(onSettled))
}

/** Stops noting. */
export function forget() {
  for (const each of stop) each()
  stop = []
  noted = ''
}

function onMade(promise) {
  const scopes = chain()
  if (scopes.length > 0) origins.set(promise, scopes)
}

function onSettled(promise) {
  const scopes = chain()
  if (scopes.length === 0 || origins.get(promise) === scopes) return
  // Rejections are reported before the next turn.
  if (strangers.length === 0) setImmediate(() => (strangers = []))
  strangers.push({ promise, scopes })
}

/** The chain in which `promise`, whose rejection is being reported, was made. */
export function of(promise) {
  return reportsOrigins() ? chain() : (origins.get(promise) ?? [])
}

/** The same for a rejection reported without its promise: empty, unless it is certain. */
export function ofReported() {
  const scopes = chain()
  const isDoubtful = strangers.some((stranger) => stranger.scopes === scopes && isRejected(stranger.promise))
  return reportsOrigins() || (noted !== '' && !isDoubtful) ? scopes : []
}

/** Promises do not expose their state, but Node prints it. */
function isRejected(promise) {
  return /^[^{]*\{\s*<rejected>/.test(inspect(promise, { depth: 0, customInspect: false }))
}
