// What every process did, when, on one clock: a directory with a file of JSON lines from each.

import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Nanoseconds on the monotonic clock that all processes of a machine share. */
export const now = () => Number(process.hrtime.bigint())

/**
 * Writes down what one process does. Each event is one write, so that a kill never leaves half of it, and no other
 * process writes to that file: on wine they would overwrite each other's lines.
 */
export class Recorder {
  #file
  #who

  constructor(history, who) {
    mkdirSync(history, { recursive: true })
    this.#file = openSync(join(history, `${who}.jsonl`), 'a')
    this.#who = who
  }

  /** Notes that `what` happened at `t`: now, unless it has to be an earlier moment. */
  note(what, facts, t = now()) {
    writeSync(this.#file, `${JSON.stringify({ t, who: this.#who, what, ...facts })}\n`)
  }
}

/**
 * Reads a growing history piece by piece: each call returns the events that were added since the last one, grouped
 * by process.
 */
export function reader(history) {
  const files = new Map()
  return () => {
    for (const name of readdirSync(history)) if (!files.has(name)) files.set(name, readerOf(join(history, name)))
    return [...files.values()].flatMap((read) => read())
  }
}

function readerOf(path) {
  let offset = 0
  let rest = ''
  return () => {
    const file = openSync(path, 'r')
    const chunk = Buffer.alloc(1 << 20)
    let text = rest
    for (let count; (count = readSync(file, chunk, 0, chunk.length, offset)) > 0; offset += count) {
      text += chunk.toString('utf8', 0, count)
    }
    closeSync(file)
    const lines = text.split('\n')
    rest = lines.pop()
    return lines.map((line) => JSON.parse(line))
  }
}

/** All events of a history that was saved in one file. */
export function readHistory(path) {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
}
