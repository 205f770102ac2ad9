// Leasehold, the floor below it and its peers beside it, in one run. See README.md.
//
//   npm run bench -- [--quick] [--rounds N] [--only NAME,…] [--json FILE] [--publish]

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isOurs, unavailable } from './contestants.mjs'
import { installPeers } from './install.mjs'
import { fileSystem, machine, processorTime } from './machine.mjs'
import * as calls from './measures/calls.mjs'
import * as contention from './measures/contention.mjs'
import * as delay from './measures/delay.mjs'
import * as fairness from './measures/fairness.mjs'
import * as json from './measures/json.mjs'
import * as leases from './measures/leases.mjs'
import * as queue from './measures/queue.mjs'
import * as recovery from './measures/recovery.mjs'
import * as scale from './measures/scale.mjs'
import * as size from './measures/size.mjs'
import * as uncontended from './measures/uncontended.mjs'
import * as waiters from './measures/waiters.mjs'
import { buildFloor, killAll } from './processes.mjs'
import { publish } from './publish.mjs'
import { digits, printTable } from './table.mjs'
import { judge } from './targets.mjs'

const MEASURES = [uncontended, contention, queue, fairness, waiters, leases, delay, recovery, json, size, scale, calls]
const ROUNDS = { full: 4, quick: 1 }

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
  },
})
if (options.publish && (options.quick || options.only || options.rounds)) {
  throw new Error('only a full run can be published: leave out --quick, --only and --rounds')
}
if (options.rounds && !/^[1-9]\d*$/.test(options.rounds)) throw new Error('--rounds must be a number of rounds')
const unknown = options.only?.split(',').find((name) => !MEASURES.some((measure) => measure.name === name))
if (unknown !== undefined) {
  throw new Error(`there is no measure "${unknown}": they are ${MEASURES.map(({ name }) => name).join(', ')}`)
}
const chosen = MEASURES.filter(({ name }) => options.only === undefined || options.only.split(',').includes(name))

/** A directory to measure in, and fresh files and directories in it. */
async function place(parent) {
  mkdirSync(parent, { recursive: true })
  const directory = await mkdtemp(join(parent, 'leasehold-bench-'))
  let names = 0
  const newName = () => join(directory, `file-${names++}`)
  const newFile = async () => {
    const file = newName()
    await writeFile(file, 'a file that somebody protects\n')
    return file
  }
  const newDirectory = async () => {
    const inside = newName()
    await mkdir(inside)
    return inside
  }
  return { type: fileSystem(directory), directory, newFile, newDirectory }
}

/** The results of all rounds. Anybody else who fails is left out of this measure, and that round is repeated. */
async function measureAll(measure, rounds) {
  const failed = new Set()
  const works = (who) => available(who) && !failed.has(who)
  let results = []
  for (let number = 0; number < rounds; ) {
    // Every other round goes backwards, so that nobody always follows the same neighbour.
    const ordered = (who) => (number % 2 === 0 ? who : who.toReversed()).filter(works)
    const round = []
    try {
      await measure.round({ places, quick: options.quick, number, ordered, available: works }, round)
      results.push(...round)
      number++
    } catch (error) {
      killAll()
      const { who } = error
      if (who === undefined || isOurs(who)) throw error
      failed.add(who)
      results = results.filter((result) => result.who !== who)
      leftOut.push({ who, why: `it failed at ${measure.name}` })
      console.log(`\nleft out of ${measure.name}: ${error.message}`)
    }
  }
  return results
}

/** The share of processor time that the host has taken since `before`. */
function stolenSince(before) {
  const now = processorTime()
  return now && (now.stolen - before.stolen) / (now.all - before.all)
}

installPeers()
buildFloor()
const leftOut = await unavailable()
const missing = new Set(leftOut.map(({ who }) => who))
const available = (who) => !missing.has(who)
const here = machine()
const places = [await place(fileURLToPath(new URL('../target', import.meta.url)))]
if (existsSync('/dev/shm')) places.push(await place('/dev/shm'))
// However this ends: a signal alone would leave the directories, and processes that hold locks for ever.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
process.on('exit', () => {
  for (const { directory } of places) rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
})

const before = processorTime()
const { packages, ...rest } = here
const facts = { ...rest, ...packages, 'file systems': places.map(({ type }) => type).join(', ') }
console.log(Object.entries(facts).map(([key, value]) => `${key}: ${value}`).join('\n'))
for (const { who, why } of leftOut) console.log(`left out: ${who}: ${why}`)
console.log('Contestants take turns. Each cell is the median of all rounds, with the smallest and largest in brackets')
const report = {
  date: new Date().toISOString().slice(0, 10),
  machine: here,
  fileSystems: places.map(({ type }) => type),
  quick: options.quick,
  leftOut,
  measures: {},
}
for (const measure of chosen) {
  const began = performance.now()
  const rounds = Number(options.rounds ?? (measure.rounds ?? ROUNDS)[options.quick ? 'quick' : 'full'])
  const results = await measureAll(measure, rounds)
  const rows = measure.conclude(results)
  report.measures[measure.name] = { title: measure.title, rounds, rows }
  printTable(`${measure.title} (${rounds} rounds, ${Math.round((performance.now() - began) / 1000)} s)`, rows)
  const broken = measure.broken?.(results)
  if (broken) {
    console.log(`\nFAILED: ${broken}`)
    process.exitCode = 1
  }
}
report.targets = judge(report)
report.stolen = stolenSince(before)
const told = report.targets.filter(({ verdict }) => verdict !== 'not measured')
printTable('Targets of leasehold, and what others reached in the same run', told)
if (report.stolen !== undefined) console.log(`\nthe host took ${digits(100 * report.stolen)} % of the processor time`)
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
if (options.publish && !process.exitCode) console.log(`\nwritten: ${publish(report).join(', ')}`)
