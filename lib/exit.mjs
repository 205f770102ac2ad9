// Leaves nothing behind when the process ends in any way that runs JavaScript. All other endings are up to the native
// part: an atexit hook, an environment hook, and in the end the kernel.

import { environment } from './environment.mjs'
import { isMainThread } from './thread.mjs'

const onWindows = process.platform === 'win32'
/** On Windows, those for the console's events: Ctrl+C, Ctrl+Break, and its closing. */
export const SIGNALS = onWindows ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT', 'SIGHUP']
/** The status with which Windows ends a process that does not handle them: STATUS_CONTROL_C_EXIT. */
const CONTROL_C_EXIT = 0xc000013a

/** One set of listeners per process, however many copies of this module are loaded. */
const KEY = Symbol.for('leasehold.exit')
const shared = (process[KEY] ??= { cleanUps: new Set(), onExit: undefined, handlers: new Map() })

const cleanUp = {
  exit: () => environment.releaseAtExit(isMainThread()),
  signal: () => environment.releaseAll(true),
}

function releaseAll(how) {
  for (const each of shared.cleanUps) each[how]()
}

/** Makes sure that locks go with the process. Called before each lock is acquired, not on import. */
export function install() {
  shared.cleanUps.add(cleanUp)
  if (!shared.onExit) {
    shared.onExit = () => releaseAll('exit')
    process.on('exit', shared.onExit)
  }
  // Signals arrive on the main thread only.
  if (shared.handlers.size < SIGNALS.length && isMainThread()) for (const signal of SIGNALS) listen(signal)
}

/** Removes the listeners, unless there are locks that need them. The next lock brings them back. */
export function uninstall() {
  if (environment.held().length > 0) return
  if (shared.onExit) process.removeListener('exit', shared.onExit)
  shared.onExit = undefined
  for (const [signal, handler] of shared.handlers) process.removeListener(signal, handler)
  shared.handlers.clear()
}

function listen(signal) {
  if (shared.handlers.has(signal)) return
  const handler = () => handle(signal)
  shared.handlers.set(signal, handler)
  // Before the others, so that a one-time listener is still counted when ours runs.
  process.prependListener(signal, handler)
}

/** Handles a signal: releases all locks, and ends the process unless somebody else listens. */
export function handle(signal) {
  releaseAll('signal')
  const handler = shared.handlers.get(signal)
  // If ours is the only listener, it alone kept the signal from killing the process: let it.
  if (handler && process.listenerCount(signal) === 1 && process.listeners(signal)[0] === handler) {
    shared.handlers.delete(signal)
    process.removeListener(signal, handler)
    dieOf(signal)
  }
}

/** Ends this process as the signal would have. */
function dieOf(signal) {
  // A Windows process cannot send itself these signals, and they would not have run `exit` listeners either.
  if (onWindows) process.reallyExit(CONTROL_C_EXIT | 0)
  else process.kill(process.pid, signal)
}
