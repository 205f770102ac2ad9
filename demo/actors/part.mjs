// The part of an actor that something happens to while it holds the lock.

import { now } from '../clock.mjs'
import { Actor, tell } from './actor.mjs'

const forever = () => new Promise(() => {})
/** Work that the program still knows about, so that the garbage collector gives nothing back too early. */
const known = new Set()

function block(milliseconds) {
  const end = now() + milliseconds
  while (now() < end);
}

/** What happens, in the middle of the work. */
const FATES = {
  /** Whatever it is, somebody else does it. */
  wait: forever,
  throw() {
    throw new Error('the work failed')
  },
  async exit() {
    await tell({ kind: 'ends' })
    process.exit()
  },
  async crash() {
    await tell({ kind: 'ends' })
    setImmediate(() => {
      throw new Error('nobody catches this')
    })
    await forever()
  },
  /** A busy event loop is no reason to lose a lock, however short the lease. */
  block: (milliseconds) => block(milliseconds),
  /** It learns that it lost the lock, and a late write of its own does not get into the file. */
  async stuck(_, handle) {
    await new Promise((resolve) => handle.signal.addEventListener('abort', resolve))
    const lateWrite = await handle.appendFile('a late write\n').then(() => 'written', (error) => error.code)
    await tell({ kind: 'lost', reason: handle.signal.reason.reason, lateWrite })
    await forever()
  },
}

/** Takes one turn, and after `cue` meets its fate in it. */
export async function play({ number, file, through, terms, fate, length }, cue) {
  const actor = new Actor(number, file)
  const work = async (handle, id) => {
    known.add(handle)
    await actor.append(handle, id, `the last words before: ${fate}`)
    await tell({ kind: 'ready' })
    await cue
    await FATES[fate](length ?? Infinity, handle)
  }
  await actor.turn(through, work, terms).catch((error) => tell({ kind: 'threw', message: error.message }))
}
