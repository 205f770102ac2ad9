// The part of an actor to which something happens while it holds the lock.

import { now } from '../clock.mjs'
import { Actor, tell } from './actor.mjs'

const forever = () => new Promise(() => {})
/** Handles that the program can still reach, so that the garbage collector gives nothing back too early. */
const known = new Set()
const controller = new AbortController()

function block(milliseconds) {
  const end = now() + milliseconds
  while (now() < end);
}

/** It lost the lock, whether it has noticed or not: a late write of its own must not get into the file. */
async function late(handle) {
  const error = await handle.appendFile('a late write\n').catch((error) => error)
  await tell({ kind: 'lost', reason: error?.reason, lateWrite: error?.code ?? 'written' })
  await forever()
}

/** It learns that it lost the lock, and goes on all the same. */
async function stuck(handle) {
  await new Promise((resolve) => handle.signal.addEventListener('abort', resolve))
  await late(handle)
}

/** What happens, in the middle of the work. */
const FATES = {
  /** Somebody else makes it happen, or nobody. */
  wait: forever,
  throw() {
    throw new Error('the work failed')
  },
  exit: () => process.exit(),
  async crash() {
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
    await forever()
  },
  /** A busy event loop is no reason to lose a lock, however short the lease. */
  block: (_, milliseconds) => block(milliseconds),
  /** The process survives this, because it listens. */
  reject(handle) {
    process.on('unhandledRejection', () => {})
    Promise.reject(new Error('nobody handles this'))
    return stuck(handle)
  },
  abort(handle) {
    controller.abort()
    return stuck(handle)
  },
  stuck,
  late,
}

/** Takes one turn, and after `cue` meets its fate in it. */
export async function play({ number, file, through, terms, fate, length, forgotten, lives }, cue) {
  const actor = new Actor(number, file)
  const work = async (handle, id) => {
    if (!forgotten) known.add(handle)
    await actor.append(handle, id, `the last words before: ${fate}`)
    await tell({ kind: 'ready' })
    await cue
    await tell({ kind: 'struck' })
    await FATES[fate](handle, length ?? Infinity)
  }
  process.on('warning', ({ code }) => tell({ kind: 'warned', code }))
  // Only withFileLock knows where work begins and ends, and so what there is to abort.
  const signal = fate === 'abort' ? controller.signal : undefined
  const threw = ({ message }) => tell({ kind: 'threw', message })
  await actor.turn(through, work, { ...terms, signal }).catch(threw)
  if (lives) await forever()
}
