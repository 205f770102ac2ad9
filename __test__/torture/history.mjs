// What every process did, when, on one clock: a file of JSON lines that all of them append to.

import { openSync, readFileSync, readSync, writeSync } from 'node:fs'

/** Nanoseconds on the monotonic clock that all processes of a machine share. */
export const now = () => Number(process.hrtime.bigint())

/**
 * Writes what one process does. Each event is one write to a file open for appending, so that no kill leaves half
 * of it, and none is mixed up with another.
 */
export class Recorder {
  #file
  #who

  constructor(path, who) {
    this.#file = openSync(path, 'a')
    this.#who = who
  }

  /** Notes that `what` happened at `t`: now, unless it has to be an earlier moment. */
  note(what, facts, t = now()) {
    writeSync(this.#file, `${JSON.stringify({ t, who: this.#who, what, ...facts })}\n`)
  }
}

/** Reads a growing history piece by piece: each call has the events that were added since the last one. */
export function reader(path) {
  let file
  let offset = 0
  let rest = ''
  return () => {
    file ??= openSync(path, 'r')
    const chunk = Buffer.alloc(1 << 20)
    let text = rest
    for (let count; (count = readSync(file, chunk, 0, chunk.length, offset)) > 0; offset += count) {
      text += chunk.toString('utf8', 0, count)
    }
    const lines = text.split('\n')
    rest = lines.pop()
    return lines.map((line) => JSON.parse(line))
  }
}

/** All events of a history. */
export function readHistory(path) {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
}
