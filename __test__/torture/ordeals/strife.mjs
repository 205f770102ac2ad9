// What the ordeals of living processes have in common: a crew that wants the same few locks for a while, at random,
// while something is done to it; then everybody stops, and the history is checked.

import { join } from 'node:path'
import { random } from '../../support/random.mjs'
import { check } from '../checker.mjs'
import { Crew } from '../crew.mjs'
import { reader } from '../history.mjs'
import { keep, leftovers, place } from '../places.mjs'
import { Scope } from '../scope.mjs'

/** How long it may take until all have stopped: longer than the longest wait for a lock. */
const STOP = 90_000

/**
 * `hire(crew)` starts the processes. `trouble({ crew, members, chance, set, problems, place, paths })` does something
 * to them and resolves when done; it may replace `members`, and `set` new ones to strive. `order` says what they strive
 * for, beside `paths`. Resolves to `{ row, problems }`, for a table whose first column is `who`.
 */
export function strife({ who, seed, hire, trouble, order, paths = 2, parent, rules }) {
  return Scope.during(async (scope) => {
    const here = place(scope, parent)
    const crew = new Crew(scope, here.history)
    const chance = random(seed)
    const names = Array.from({ length: paths }, (_, index) => join(here.directory, `file-${index}`))
    const members = await hire(crew)
    const striving = new Map()
    const set = (member) => {
      const done = member.do('strive', { seed: chance(1 << 30), paths: names, ...order }, { timeoutMs: 0x7fffffff })
      // A member that is killed does not finish, which is not its fault.
      striving.set(member, done.catch((error) => ({ ended: error })))
    }
    members.forEach(set)
    const problems = []
    const totals = await trouble({ crew, members, chance, set, problems, place: here, paths: names })
    await Promise.all(members.map((member) => member.do('stop', undefined, { timeoutMs: STOP }).catch(() => {})))
    for (const member of members) {
      const how = await Promise.race([striving.get(member), late(member)])
      if (how.ended) problems.push(String(how.ended.message))
    }
    const { problems: found, counts } = check(reader(here.history)(), rules)
    const isKept = (name) => order.options?.keepLockFile && /^file-\d+\.lock$/.test(name)
    const left = leftovers(here.directory).filter((name) => !isKept(name))
    problems.push(...found, ...left.map((name) => `left behind: ${name}`))
    if (problems.length > 0) problems.push(keep(here.history, who, seed))
    const row = {
      who,
      acquisitions: counts.holds,
      ...totals,
      'losses reported': counts.losses,
      'longest wait ms': counts.longestWaitMs.toFixed(0),
      'left behind': left.length,
      problems: problems.length,
    }
    return { row, problems: problems.map((problem) => `${who}: ${problem}`) }
  })
}

function late(member) {
  return new Promise((resolve) => {
    setTimeout(resolve, STOP, { ended: new Error(`${member.name} does not stop`) }).unref()
  })
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
