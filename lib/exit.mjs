// Nothing stays behind when the process ends in any way that runs JavaScript. What does not is the
// native part's: an atexit hook, an environment hook, and at last the kernel.

import { environment } from './environment.mjs'
import { isMainThread } from './thread.mjs'

const onWindows = process.platform === 'win32'
/** On Windows those that the console sends: Ctrl+C, Ctrl+Break, and that it is being closed. */
export const SIGNALS = onWindows ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT', 'SIGHUP']
/** With what Windows ends a process that does not listen to them: STATUS_CONTROL_C_EXIT. */
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

/** Makes sure that locks go with the process. Called before the first lock, not on import. */
export function install() {
  shared.cleanUps.add(cleanUp)
  if (!shared.onExit) {
    shared.onExit = () => releaseAll('exit')
    process.on('exit', shared.onExit)
  }
  // Signals arrive on the main thread only.
  if (shared.handlers.size < SIGNALS.length && isMainThread()) for (const signal of SIGNALS) listen(signal)
}

/** Takes the listeners away again, unless there are locks that need them. The next lock brings them back. */
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
  // Before the others, so that a listener for one time only still counts when it was there.
  process.prependListener(signal, handler)
}

/** What a signal does: all locks go, and so does the process, unless somebody else listens. */
export function handle(signal) {
  releaseAll('signal')
  const handler = shared.handlers.get(signal)
  // Alone, we are the only reason that the signal did not kill the process: let it.
  if (handler && process.listenerCount(signal) === 1 && process.listeners(signal)[0] === handler) {
    shared.handlers.delete(signal)
    process.removeListener(signal, handler)
    dieOf(signal)
  }
}

/** Ends this process as the signal would have. */
function dieOf(signal) {
  // There a process cannot send itself these; `exit` listeners would not have been called either.
  if (onWindows) process.reallyExit(CONTROL_C_EXIT | 0)
  else process.kill(process.pid, signal)
}
