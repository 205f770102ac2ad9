// Processes that all meet one stale lock at once, again and again: one takes it over, the others follow in turn.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { random } from '../../support/random.mjs'
import { check } from '../checker.mjs'
import { installFsSafe } from '../contestants.mjs'
import { Crew } from '../crew.mjs'
import { reader } from '../history.mjs'
import { keep, leftovers, place } from '../places.mjs'
import { plantDirectory, staleRecords } from '../records.mjs'
import { Scope } from '../scope.mjs'

export const name = 'storm'
export const title = 'Six processes meet one stale lock'

const PROCESSES = 6
/** After this many rounds their history is checked. */
const BATCH = 200

const majorVersion = Number(process.versions.node.split('.')[0])

/** The locks that leasehold is compared with: those that fail show that the storm notices. */
const RIVALS = [
  { contestant: 'proper-lockfile', kind: 'old directory', plant: plantDirectory },
  { contestant: 'fs-safe', kind: 'dead pid', skip: majorVersion < 22 && 'needs Node 22' },
  { contestant: 'plain O_EXCL', kind: 'dead pid' },
]

export async function run({ seed, rounds, rivalRounds, rivals = true, through, parent }) {
  return Scope.during(async (scope) => {
    const records = await staleRecords(scope)
    const rows = []
    const problems = []
    const kinds = Object.entries(records)
    for (const [index, [kind, { from, plant }]] of kinds.entries()) {
      const share = Math.ceil(rounds / kinds.length)
      const storm = { kind, plant, from, rounds: share, seed: seed + index, through, parent }
      const { row, problems: wrong } = await rage({ contestant: 'leasehold', ...storm })
      rows.push(row)
      problems.push(...wrong)
    }
    for (const { contestant, kind, plant = records[kind].plant, skip } of rivals ? RIVALS : []) {
      if (skip) {
        rows.push({ who: contestant, 'stale lock': kind, rounds: skip })
        continue
      }
      if (contestant === 'fs-safe') installFsSafe()
      const { row } = await rage({ contestant, kind, plant, rounds: rivalRounds, seed })
      rows.push(row)
    }
    return { rows, problems }
  })
}

/** One contestant's storms. */
async function rage({ contestant, kind, plant, from, rounds, seed, through, parent }) {
  return Scope.during(async (scope) => {
    const { directory, history } = place(scope, parent)
    const crew = new Crew(scope, history)
    const all = await crew.hireAll(PROCESSES, { contestant, through })
    // So that the directory is known, and each round begins with the lock itself.
    await Promise.all(all.map((one, index) => one.do('attempt', { path: join(directory, `warm-up-${index}`) })))
    const chance = random(seed)
    const next = reader(history)
    const problems = []
    const totals = { holds: 0, broken: 0, longestWaitMs: 0 }

    async function round(number) {
      const path = join(directory, `${number}`)
      plant(`${path}.lock`)
      const orders = all.map(() => ({
        path,
        sync: contestant === 'leasehold' && chance(3) === 0,
        delay: chance(4) * 50,
        hold: chance(6) === 0 ? 1 : 0,
      }))
      const answers = await Promise.all(all.map((one, index) => one.do('attempt', orders[index])))
      const wrong = answers.filter(({ error }) => error).map(({ error }) => `round ${number}: ${error}`)
      const recovered = answers.map(({ recoveredFrom }) => recoveredFrom).filter(Boolean)
      if (from && recovered.join() !== from) wrong.push(`round ${number}: taken over as ${recovered}, not as ${from}`)
      if (existsSync(`${path}.lock`)) wrong.push(`round ${number}: the lock file is still there`)
      return wrong
    }

    // A contestant that must not fail is stopped once it has: each further round that is stuck takes a minute.
    const isOver = () => from !== undefined && problems.length > 0
    let number = 0
    while (number < rounds && !isOver()) {
      const end = Math.min(number + BATCH, rounds)
      for (; number < end && !isOver(); number += 1) problems.push(...(await round(number)))
      const { problems: found, counts } = check(next())
      problems.push(...found)
      totals.holds += counts.holds
      totals.broken += new Set(found.map((problem) => /\((\S+),/.exec(problem)?.[1])).size
      totals.longestWaitMs = Math.max(totals.longestWaitMs, counts.longestWaitMs)
    }
    problems.push(...leftovers(directory).map((name) => `left behind: ${name}`))
    if (from && problems.length > 0) problems.push(keep(history, `storm ${kind}`, seed))
    const row = {
      who: contestant,
      'stale lock': kind,
      rounds: number,
      acquisitions: totals.holds,
      'rounds with two holders': totals.broken,
      'longest wait ms': totals.longestWaitMs.toFixed(0),
      'left behind': leftovers(directory).length,
    }
    return { row, problems: problems.map((problem) => `${contestant}, ${kind}: ${problem}`) }
  })
}
