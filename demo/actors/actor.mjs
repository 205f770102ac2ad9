// What every actor does: take its turn at the transcript, and tell the stage about each step.

import { isMainThread, parentPort } from 'node:worker_threads'
import { acquireSessionWriteLock, withFileLock } from 'leasehold'
import { now } from '../clock.mjs'
import { lastId, message } from '../transcript.mjs'

/** Tells the stage, and resolves when the message has left this process: it may be about to end. */
export function tell(news) {
  const stamped = { at: now(), ...news }
  if (!isMainThread) return Promise.resolve(parentPort.postMessage(stamped))
  return new Promise((resolve) => process.send(stamped, resolve))
}

/** `withFileLock`, or what OpenClaw's callers do with `acquireSessionWriteLock`. */
async function locked(through, file, terms, work) {
  if (through === 'withFileLock') return withFileLock(file, terms, work)
  // Tasks of one process share a session lock by default; here each wants its own turn.
  const lock = await acquireSessionWriteLock({ sessionFile: file, allowReentrant: false, ...terms })
  try {
    return await work(lock)
  } finally {
    await lock.release()
  }
}

export class Actor {
  #number
  #turns = 0

  /** `number` sets the turns of this actor apart from all others'. */
  constructor(number, file) {
    this.#number = number
    this.file = file
  }

  /**
   * Waits for the lock and does `work(handle, id)` under it. `id` names the turn, and the record
   * appended in it.
   */
  async turn(through, work, terms = {}) {
    const id = this.#number.toString(16).padStart(2, '0') + (++this.#turns).toString(16).padStart(6, '0')
    let began = false
    tell({ kind: 'wants', id })
    try {
      return await locked(through, this.file, terms, async (handle) => {
        began = true
        tell({ kind: 'has', id, recoveredFrom: handle.recoveredFrom })
        try {
          return await work(handle, id)
        } finally {
          tell({ kind: 'leaves', id })
        }
      })
    } catch (error) {
      if (!began) tell({ kind: 'refused', id, message: error.message })
      throw error
    }
  }

  /** Appends a message after whatever is the last one now, and tells when it is in the file. */
  async append(handle, id, text) {
    const record = message(id, await lastId(this.file), text)
    await handle.appendFile(`${JSON.stringify(record)}\n`)
    await tell({ kind: 'appended', id })
  }
}
