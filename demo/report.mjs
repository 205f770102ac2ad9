// The tables that the demo prints: at most 100 columns.

import { VERSION, openclaw } from './openclaw.mjs'
import { duration, span } from './words.mjs'

const WIDTHS = [4, 46, 10, 10, 12, 12]

const row = (...cells) => cells.map((cell, column) => String(cell).padEnd(WIDTHS[column] ?? 0)).join('').trimEnd()

export function printHead() {
  console.log(`${' '.repeat(60)}waited    OpenClaw ${VERSION}:`)
  console.log(row('row', 'what happens to the holder', 'next in', 'for', 'session', 'file', 'verdict'))
  console.log('-'.repeat(100))
}

export function printScene({ scene, next, waited, problems }) {
  const { session, file } = openclaw(scene)
  console.log(row(scene.row, scene.title, next, duration(waited), span(session), span(file), verdict(problems)))
  printProblems(problems)
}

export function printCheck({ name, found, problems }) {
  console.log(`${name.padEnd(11)}${found.padEnd(83)}${verdict(problems)}`)
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
