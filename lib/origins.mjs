// Inside which work a promise was made. One that somebody else made is not the work's, even if the work rejects it.
//
// Where Node does not know that any more when it reports a rejection, it has to be noted. That costs every promise
// half a microsecond, so it is only done while a lock is held by a process that survives rejections.

import { inspect } from 'node:util'
import { chain, reportsOrigins } from './scope.mjs'
import { setImmediate } from './timers.mjs'

/** In which chain a promise was made, if that was noted. */
const origins = new WeakMap()
/** Promises that were settled in another chain than they were made in, during this turn of the event loop. */
let strangers = []
let noted = ''
let stop = []

/** Starts noting: where promises are `made`, or where they are `made and settled`. */
export function note(what) {
  if (reportsOrigins() || noted === what) return
  forget()
  noted = what
  // Loaded when it is needed, which takes several milliseconds.
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

/** The chain in which `promise` was made, whose rejection is being reported. */
export function of(promise) {
  return reportsOrigins() ? chain() : (origins.get(promise) ?? [])
}

/** The same for a promise that is not told: none, unless it is certain. */
export function ofReported() {
  const scopes = chain()
  const isDoubtful = strangers.some((stranger) => stranger.scopes === scopes && isRejected(stranger.promise))
  return reportsOrigins() || (noted !== '' && !isDoubtful) ? scopes : []
}

/** Promises do not tell their state, but Node prints it. */
function isRejected(promise) {
  return /^[^{]*\{\s*<rejected>/.test(inspect(promise, { depth: 0, customInspect: false }))
}
