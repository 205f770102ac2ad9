// Leaves nothing behind when the process ends in any way that runs JavaScript. All other endings are up to the native
// part: an atexit hook, an environment hook, and in the end the kernel.

import { native } from './environment.mjs'
import { isListening, isOurs, keepWatching, ours, watchListeners } from './listeners.mjs'
import { outside } from './scope.mjs'
import { isMainThread } from './thread.mjs'

const onWindows = process.platform === 'win32'
/** On Windows, those for the console's events: Ctrl+C, Ctrl+Break, and its closing. */
export const SIGNALS = onWindows ? ['SIGINT', 'SIGBREAK', 'SIGHUP'] : ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT', 'SIGHUP']
/** The status with which Windows ends a process that does not handle them: STATUS_CONTROL_C_EXIT. */
const CONTROL_C_EXIT = 0xc000013a

/** Whether our listeners are in place, as far as we have heard. */
let installed = false

const onExit = ours(() => native.releaseAtExit(isMainThread()))

function listeners() {
  // Signals arrive on the main thread only.
  const signals = isMainThread() ? SIGNALS : []
  return [['exit', onExit], ...signals.map((signal) => [signal, handle])]
}

/** Makes sure that locks go with the process. Called before each lock is acquired, not on import. */
export function install() {
  if (installed) return
  keepWatching()
  for (const [event, listener] of listeners()) {
    // Outside, because what Node makes for the first listener of a signal would keep the context of the caller.
    if (!isListening(event, listener)) outside(listen, event, listener)
  }
  installed = true
}

function listen(event, listener) {
  // A signal is handled before others handle it, while their one-time listeners can still be seen.
  if (SIGNALS.includes(event)) process.prependListener(event, listener)
  else process.on(event, listener)
}

/** Removes the listeners, unless there are locks that need them. The next lock brings them back. */
export function uninstall() {
  if (native.held().length > 0) return
  for (const [event, listener] of listeners()) process.removeListener(event, listener)
  installed = false
}

watchListeners({
  joining(event) {
    if (SIGNALS.includes(event)) queueMicrotask(() => comeFirst(event))
  },
  left(_, listener) {
    if (isOurs(listener)) installed = false
  },
})

/** Stays ahead of a listener that was put before ours. */
function comeFirst(signal) {
  if (process.listeners(signal).indexOf(handle) <= 0) return
  remove(signal)
  install()
}

function remove(signal) {
  process.removeListener(signal, handle)
  installed = false
}

/** Handles a signal: releases all locks, and ends the process unless somebody else listens. */
export function handle(signal) {
  native.releaseAll(true)
  if (!isListening(signal, handle)) return
  // Some libraries end the process if their listener is the only one: all shall see what they would see without us.
  remove(signal)
  if (process.listenerCount(signal) === 0) dieOf(signal)
  else queueMicrotask(install)
}
ours(handle)

/** Ends this process as the signal would have. */
function dieOf(signal) {
  // A Windows process cannot send itself these signals, and they would not have run `exit` listeners either.
  if (onWindows) process.reallyExit(CONTROL_C_EXIT | 0)
  else process.kill(process.pid, signal)
}
