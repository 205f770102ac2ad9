// The tables that the demo prints: at most 100 columns.

const WIDTHS = [5, 44, 25, 9, 10]

const row = (...cells) => cells.map((cell, column) => String(cell).padEnd(WIDTHS[column] ?? 0)).join('').trimEnd()

export function printHead() {
  console.log(row('row', 'what happens to the holder', 'held through', 'next in', 'after', 'verdict'))
  console.log('-'.repeat(100))
}

export function printScene({ row: number, title, through }, { next, waited, problems }) {
  const after = Number.isNaN(waited) ? 'never' : waited < 100 ? `${waited.toFixed(1)} ms` : `${waited.toFixed(0)} ms`
  console.log(row(number, title, through, next, after, verdict(problems)))
  printProblems(problems)
}

export function printCheck({ name, found, problems }) {
  console.log(`${name.padEnd(11)}${found.padEnd(79)}${verdict(problems)}`)
  printProblems(problems)
}

const verdict = (problems) => (problems.length === 0 ? 'ok' : 'FAILED')

/** The first few, in short: a broken lock breaks a lot. */
function printProblems(problems) {
  for (const problem of problems.slice(0, 5)) {
    console.log(`     ! ${problem.length > 200 ? `${problem.slice(0, 200)} …` : problem}`)
  }
  if (problems.length > 5) console.log(`     ! and ${problems.length - 5} more`)
}
