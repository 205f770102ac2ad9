// Our listeners on the process, among those of others. What we listen to, and what we do about a signal, depends on
// whether anybody else listens.

/** Marks the listeners of every version of this package: none of them is a reason for another to stay. */
const OURS = Symbol.for('leasehold.listener')

/** Marks a listener as ours. */
export function ours(listener) {
  listener[OURS] = true
  return listener
}

export function isOurs(listener) {
  return listener[OURS] === true
}

export function othersListen(event) {
  return process.listeners(event).some((listener) => !isOurs(listener))
}

export function isListening(event, listener) {
  return process.listeners(event).includes(listener)
}

const watchers = []

/**
 * Has somebody told when others are about to listen to an event of the process (`joining`), and when a listener, ours
 * or not, was removed (`left`); from the next `keepWatching` on.
 */
export function watchListeners(watcher) {
  watchers.push(watcher)
}

const onJoining = ours((event, listener) => {
  if (!isOurs(listener)) for (const { joining } of watchers) joining(event)
})

const onLeft = ours((event, listener) => {
  for (const { left } of watchers) left(event, listener)
})

/** Makes sure that those who watch are told, since a program may remove any listener. */
export function keepWatching() {
  if (!isListening('newListener', onJoining)) process.on('newListener', onJoining)
  if (!isListening('removeListener', onLeft)) process.on('removeListener', onLeft)
}
