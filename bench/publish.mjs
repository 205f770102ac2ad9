// Puts the numbers of a run where people find them: docs/benchmarks.json, the charts, and docs/performance.md.
//
//   node bench/publish.mjs numbers.json     publishes what `--json` wrote

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { charts } from './charts/index.mjs'
import { digits } from './table.mjs'

const docs = fileURLToPath(new URL('../docs', import.meta.url))

/** Writes everything into `directory`, and returns the names. */
export function publish(report, directory = docs) {
  const page = join(directory, 'performance.md')
  const files = [
    ['benchmarks.json', `${JSON.stringify(report, rounded, 1)}\n`],
    ...charts(report),
    ['performance.md', withTables(readFileSync(page, 'utf8'), report)],
  ]
  for (const [name, text] of files) writeFileSync(join(directory, name), text)
  return files.map(([name]) => name)
}

/** For JSON.stringify: rounds numbers, and leaves out the single rounds behind a median. */
function rounded(key, value) {
  if (key === 'rounds' && Array.isArray(value)) return undefined
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value
}

/** `page` with the tables of `report`, each between its two markers. */
export function withTables(page, report) {
  const judged = between(page, 'targets', targets(report))
  // Without strace they are not counted, and those of another run stay.
  return report.measures.calls?.rows.length > 0 ? between(judged, 'calls', calls(report)) : judged
}

function between(page, name, table) {
  const [first, last] = [`<!-- ${name}: written by npm run bench -- --publish -->`, `<!-- ${name}: end -->`]
  const [begin, end] = [page.indexOf(first), page.indexOf(last)]
  if (begin === -1 || end < begin) throw new Error(`the page must have the lines ${first} and ${last}`)
  return `${page.slice(0, begin)}${first}\n\n${table}\n\n${page.slice(end)}`
}

function calls({ measures }) {
  const rows = measures.calls.rows.map(({ who, calls, which }) => `| ${who} | ${calls} | ${which || '–'} |`)
  return ['| operation | calls | which |', '|---|---:|---|', ...rows].join('\n')
}

function targets({ date, machine, fileSystems, leftOut, stolen, measures, targets: judged }) {
  const where = `${machine.cores} × ${machine.cpu}, ${machine.kernel}, Node ${machine.node}, ${machine.rustc}`
  const taken = stolen === undefined ? '' : `, ${digits(100 * stolen)} % of the processor time taken by the host`
  const rounds = Object.values(measures).map((measure) => measure.rounds)
  const load = `load ${machine.load.toFixed(1)} at the start${taken}`
  const rows = judged.map(({ work, target, measured, verdict, beside }) => {
    return `| ${work} | ${target} | ${measured} | ${verdict === 'missed' ? '**missed**' : verdict} | ${beside} |`
  })
  return [
    `Measured ${date} on ${where}; ${fileSystems.join(' and ')}; ${load}; `
      + `${Math.min(...rounds)} to ${Math.max(...rounds)} rounds.`,
    ...leftOut.map(({ who, why }) => `Left out: ${who} (${why}).`),
    '',
    '| measurement | target | leasehold | | others in the same run |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(publish(JSON.parse(readFileSync(process.argv[2], 'utf8'))).join('\n'))
}
