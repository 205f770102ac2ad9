// Leasehold, the floor below it and proper-lockfile beside it, in one run. See README.md.
//
//   npm run bench -- [--quick] [--rounds N] [--only NAME,…] [--json FILE]

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fileSystem, machine } from './machine.mjs'
import * as contention from './measures/contention.mjs'
import * as queue from './measures/queue.mjs'
import * as readfile from './measures/readfile.mjs'
import * as recovery from './measures/recovery.mjs'
import * as uncontended from './measures/uncontended.mjs'
import { installPackages } from '../scripts/prepare.mjs'
import { buildFloor } from './processes.mjs'
import { printTable } from './table.mjs'

const MEASURES = [uncontended, contention, queue, recovery, readfile]

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 3 : 7))
const chosen = MEASURES.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name))

/** A directory to measure in, and fresh files in it. */
async function place(parent) {
  mkdirSync(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, 'leasehold-bench-'))
  let files = 0
  const newFile = async () => {
    const file = join(directory, `file-${files++}`)
    await writeFile(file, 'a file that somebody protects\n')
    return file
  }
  return { type: fileSystem(directory), directory, newFile }
}

installPackages()
buildFloor()
const here = machine()
const places = [await place(fileURLToPath(new URL('../target', import.meta.url)))]
if (existsSync('/dev/shm')) places.push(await place('/dev/shm'))

const { packages, ...rest } = here
const facts = { ...rest, ...packages, 'file systems': places.map(({ type }) => type).join(', ') }
console.log(Object.entries(facts).map(([key, value]) => `${key}: ${value}`).join('\n'))
console.log(`${rounds} rounds, in turns; medians, and the smallest and largest round in brackets`)
const report = { machine: here, fileSystems: places.map(({ type }) => type), rounds, measures: {} }
try {
  for (const measure of chosen) {
    const results = []
    for (let number = 0; number < rounds; number++) {
      // Every other round goes backwards, so that nobody always comes after the same neighbour.
      const ordered = (who) => (number % 2 === 0 ? who : who.toReversed())
      await measure.round({ places, quick: options.quick, number, ordered }, results)
    }
    const rows = measure.conclude(results, { places })
    report.measures[measure.name] = { title: measure.title, rows, rounds: results }
    printTable(measure.title, rows)
    const broken = measure.broken?.(results)
    if (broken) {
      console.log(`\nFAILED: ${broken}`)
      process.exitCode = 1
    }
  }
} finally {
  await Promise.all(places.map(({ directory }) => rm(directory, { recursive: true, force: true })))
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
