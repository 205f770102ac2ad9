// Runs one contestant's part of a benchmark in a process of its own.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const windows = process.platform === 'win32'
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
const floor = join(target, 'release', 'examples', windows ? 'floor.exe' : 'floor')
/** Those that `floor` knows; all others are JavaScript. */
const NATIVE = new Set(['files', 'calls', 'calls, file kept', 'flock', 'engine', 'engine, file kept'])

export function buildFloor() {
  const args = ['build', '--release', '--locked', '--quiet', '--example', 'floor']
  execFileSync('cargo', args, { cwd: root, stdio: 'inherit' })
}

export const runner = (verb) => fileURLToPath(new URL(`runners/${verb}.mjs`, import.meta.url))

/** Starts `verb` for `who`. */
export function start(verb, who, ...args) {
  const command = NATIVE.has(who) ? [floor, verb] : [process.execPath, '--expose-gc', runner(verb)]
  const [file, ...first] = command
  const child = spawn(file, [...first, who, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = once(child, 'close')
  return {
    /** What its next line says. */
    async next() {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${who}: ${verb} said nothing`)
      return JSON.parse(value)
    },
    /** Resolves when it has ended. */
    ended,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs `verb` for `who` to its end, for the one thing that it says. */
export async function run(verb, who, ...args) {
  const process = start(verb, who, ...args)
  const result = await process.next()
  await process.ended
  return result
}
