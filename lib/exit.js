'use strict'
// Nothing stays behind when the process ends in any way that runs JavaScript. What does not is the
// native part's: an atexit hook, an environment hook, and at last the kernel.

const { isMainThread } = require('node:worker_threads')
const { environment } = require('./environment.js')

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT', 'SIGHUP', ...(process.platform === 'win32' ? ['SIGBREAK'] : [])]

/** One set of listeners per process, however many copies of this module are loaded. */
const KEY = Symbol.for('leasehold.exit')
const shared = (process[KEY] ??= { cleanUps: new Set(), installed: false, handlers: new Map() })

const cleanUp = {
  exit: () => environment.releaseAtExit(isMainThread),
  signal: () => environment.releaseAll(true),
}

function releaseAll(how) {
  for (const each of shared.cleanUps) each[how]()
}

/** Makes sure that locks go with the process. Called before the first lock, not on import. */
function install() {
  shared.cleanUps.add(cleanUp)
  if (!shared.installed) {
    shared.installed = true
    process.on('exit', () => releaseAll('exit'))
  }
  // Signals arrive on the main thread only.
  if (isMainThread) for (const signal of SIGNALS) listen(signal)
}

function listen(signal) {
  if (shared.handlers.has(signal)) return
  const handler = () => {
    releaseAll('signal')
    // Alone, we are the only reason that the signal did not kill the process: let it.
    if (process.listenerCount(signal) === 1 && shared.handlers.get(signal) === handler) {
      shared.handlers.delete(signal)
      process.removeListener(signal, handler)
      process.kill(process.pid, signal)
    }
  }
  shared.handlers.set(signal, handler)
  // Before the others, so that a listener for one time only still counts when it was there.
  process.prependListener(signal, handler)
}

module.exports = { install, SIGNALS }
