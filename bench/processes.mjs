// Runs one contestant's part of a benchmark in a process of its own.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { root, target } from '../scripts/prepare.mjs'
import { now } from './clock.mjs'

const windows = process.platform === 'win32'
const floor = join(target, 'release', 'examples', windows ? 'floor.exe' : 'floor')
/** Those that `floor` knows; all others are JavaScript. */
const NATIVE = new Set(['files', 'calls', 'calls, file kept', 'flock', 'engine', 'engine, file kept'])

export function buildFloor() {
  const args = ['build', '--release', '--locked', '--quiet', '--example', 'floor', '--example', 'calls']
  execFileSync('cargo', args, { cwd: root, stdio: 'inherit' })
}

export const runner = (verb) => fileURLToPath(new URL(`runners/${verb}.mjs`, import.meta.url))

/** In milliseconds: anything that ends at all takes less. */
const PATIENCE = 180_000
const living = new Set()

/** Kills all that were started and still run. */
export function killAll() {
  for (const child of living) child.kill('SIGKILL')
}

process.on('exit', killAll)

/** Starts `verb` for `who`. */
export function start(verb, who, ...args) {
  const command = NATIVE.has(who) ? [floor, verb] : [process.execPath, '--expose-gc', runner(verb)]
  const [file, ...first] = command
  const options = { stdio: ['pipe', 'pipe', 'inherit'], timeout: PATIENCE, killSignal: 'SIGKILL' }
  const child = spawn(file, [...first, who, ...args.map(String)], options)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'close').finally(() => living.delete(child))
  living.add(child)
  return {
    /** What its next line says. */
    async next() {
      const { value, done } = await lines.next()
      if (done) throw Object.assign(new Error(`${who}: ${verb} printed nothing`), { who })
      return JSON.parse(value)
    },
    /** Sends the only line that it waits for. */
    tell(text) {
      child.stdin.end(`${text}\n`)
    },
    /** Resolves when it has ended. */
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs `verb` for `who` to its end, and resolves to the one thing that it says. */
export async function run(verb, who, ...args) {
  const started = start(verb, who, ...args)
  const result = await started.next()
  await started.ended
  return result
}

/**
 * Runs `verb` in `count` processes that start at the same moment, once all are ready, and end `milliseconds` later.
 * Resolves to what each said.
 */
export async function runTogether(count, verb, who, file, milliseconds) {
  const all = Array.from({ length: count }, () => start(verb, who, file))
  await Promise.all(all.map((one) => one.next()))
  const began = now() + 20
  for (const one of all) one.tell(`${began} ${began + milliseconds}`)
  const said = await Promise.all(all.map((one) => one.next()))
  await Promise.all(all.map((one) => one.ended))
  return said
}
