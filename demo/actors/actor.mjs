// What every actor does: take its turn at the transcript, and tell the stage about each step.

import { isMainThread, parentPort } from 'node:worker_threads'
import { now } from '../clock.mjs'
import { lastId, message } from '../transcript.mjs'
import { WAYS } from './ways.mjs'

/** Tells the stage, and resolves when the message has left this process: it may be about to end. */
export function tell(news) {
  const stamped = { at: now(), ...news }
  if (!isMainThread) return Promise.resolve(parentPort.postMessage(stamped))
  return new Promise((resolve) => process.send(stamped, resolve))
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
   * Waits for the lock and does `work(handle, id)` under it, in one of the `WAYS`. `id` names the turn, and the
   * record appended in it.
   */
  async turn(through, work, terms = {}) {
    const id = this.#number.toString(16).padStart(2, '0') + (++this.#turns).toString(16).padStart(6, '0')
    let began = false
    tell({ kind: 'wants', id })
    try {
      return await WAYS[through](this.file, terms, async (handle) => {
        began = true
        tell({ kind: 'has', id })
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
