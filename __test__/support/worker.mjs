// Worker threads that are given a function inline.

import { Worker } from 'node:worker_threads'
import { after } from './after.mjs'
import { Inbox } from './inbox.mjs'

const inWorker = new URL('./in-worker.mjs', import.meta.url)

/**
 * Starts a worker that calls `source` (a function that sees nothing of its surroundings) with
 * `{ leasehold, addonUrl, send, next, begin, args }`, and ends when it has settled and nothing else is under way.
 *
 * - `send`, `next`: as with `child`; messages are cloned, not serialised
 * - `exit`: promise of `{ code, error }`; it never rejects
 * - `terminate()`: done after the test anyway
 */
export function worker(t, source, { args, ...options } = {}) {
  const thread = new Worker(inWorker, { workerData: { source: String(source), args }, ...options })
  const inbox = new Inbox()
  let error
  thread.on('message', (message) => inbox.push(message))
  thread.on('error', (reason) => (error = reason))
  const exit = new Promise((resolve) => {
    thread.once('exit', (code) => {
      inbox.close(() => error ?? new Error(`worker ended (${code})`))
      resolve({ code, error })
    })
  })
  after(t, () => thread.terminate())
  return {
    thread,
    exit,
    send: (message) => thread.postMessage(message),
    next: (predicate, options) => inbox.next(predicate, options),
    drain: () => inbox.drain(),
    terminate: () => thread.terminate(),
  }
}
