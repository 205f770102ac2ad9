// Everything that is meant to break leasehold, one after the other, each with a table. See docs/reliability.md.
//
//   npm run torture -- [--quick] [--seed N] [--only NAME,…] [--step NAME] [--json FILE]
//   npm run torture -- --history FILE    what is wrong with a history that was kept

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { machine } from '../../bench/machine.mjs'
import { printTable } from '../../bench/table.mjs'
import { check } from './checker.mjs'
import { readHistory } from './history.mjs'
import { ORDEALS, SIZES } from './ordeals/index.mjs'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    size: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
    step: { type: 'string' },
    json: { type: 'string' },
    history: { type: 'string' },
  },
})
if (options.history) {
  const { problems, counts } = check(readHistory(options.history))
  console.log(counts, problems)
  process.exit(problems.length > 0 ? 1 : 0)
}
const seed = Number(options.seed ?? Date.now() % 1_000_000)
const size = SIZES[options.size ?? (options.quick ? 'quick' : 'full')]
const names = options.only?.split(',') ?? Object.keys(ORDEALS)
const unknown = names.filter((name) => !(name in ORDEALS))
if (unknown.length > 0) throw new Error(`no ordeal ${unknown}: there are ${Object.keys(ORDEALS).join(', ')}`)

const { packages, ...rest } = machine()
console.log(Object.entries({ ...rest, ...packages, seed }).map(([key, value]) => `${key}: ${value}`).join('\n'))
const report = { seed, ordeals: {} }
for (const name of names) {
  const { title, run } = ORDEALS[name]
  const began = performance.now()
  const { rows, problems, skip } = await run({ seed, ...size[name], step: options.step })
  const seconds = ((performance.now() - began) / 1000).toFixed(0)
  report.ordeals[name] = { title, rows, problems, skip, seconds }
  if (skip) console.log(`\n${title}\n\nskipped: ${skip}`)
  else printTable(`${title} (${name}, ${seconds} s)`, rows)
  if (problems.length > 0) {
    process.exitCode = 1
    console.log(`\nFAILED ${problems.length} times; to repeat: npm run torture -- --only ${name} --seed ${seed}`)
    for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`)
  }
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`)
