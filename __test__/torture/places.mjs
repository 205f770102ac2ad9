// Directories for the ordeals, and what is left in them.

import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after } from '../support/after.mjs'
import { reader } from './history.mjs'

/** Where everything happens unless the file system matters. */
export const HOME = fileURLToPath(new URL('../../target/torture', import.meta.url))

/** A directory of its own in `parent`, and a path for its history elsewhere; both are removed after `scope`. */
export function place(scope, parent = HOME) {
  mkdirSync(parent, { recursive: true })
  mkdirSync(HOME, { recursive: true })
  const make = (where) => {
    const directory = realpathSync(mkdtempSync(join(where, 'torture-')))
    after(scope, () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
    return directory
  }
  return { directory: make(parent), history: join(make(HOME), 'history') }
}

/** Saves the history of something that went wrong; says where. */
export function keep(history, who, seed) {
  const kept = join(HOME, `${who.replaceAll(/\W+/g, '-')}-${seed}.jsonl`)
  writeFileSync(kept, reader(history)().map((event) => `${JSON.stringify(event)}\n`).join(''))
  return `its history is in ${kept}`
}

/** The names in a directory that no lock should have left there. */
export function leftovers(directory) {
  return readdirSync(directory).filter((name) => /\.(lock|tmp|taking)\b/.test(name))
}
