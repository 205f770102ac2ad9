// Two processes want one lock all the time: each holds it for 2 ms and thinks for 1 ms.

import { now } from '../clock.mjs'
import { run } from '../processes.mjs'
import { quantile, ratio, summary } from '../statistics.mjs'

export const name = 'contention'
export const title = 'Two processes, hold 2 ms, think 1 ms: hand-over from just before release() to having the lock'
const FLOOR = 'flock'
const WHO = [FLOOR, 'engine', 'leasehold', 'withFileLock', 'sync', 'proper-lockfile']

/** Node's start, generously. */
const START = 400

export async function round({ places, quick, ordered }, results) {
  for (const who of ordered(WHO)) {
    const file = await places[0].newFile()
    const start = now() + START
    const end = start + (quick ? 1000 : 3000)
    const both = await Promise.all([0, 1].map((process) => turnsOf(process, who, file, start, end)))
    results.push({ who, ...evaluate(both.flat(), end - start) })
  }
}

async function turnsOf(process, ...args) {
  const turns = await run('contend', ...args)
  return turns.map(([wants, has, leaves]) => ({ process, wants, has, leaves }))
}

function evaluate(turns, milliseconds) {
  turns.sort((a, b) => a.has - b.has)
  const handOvers = []
  let overlaps = 0
  for (const [index, turn] of turns.entries()) {
    const previous = turns[index - 1]
    if (previous === undefined) continue
    if (turn.has < previous.leaves) overlaps++
    // Only where it was waiting already; a lock that was free a while is no hand-over.
    if (turn.process !== previous.process && turn.wants < previous.leaves) handOvers.push(turn.has - previous.leaves)
  }
  return {
    perSecond: (turns.length / milliseconds) * 1000,
    handedOver: handOvers.length / turns.length,
    p50: quantile(handOvers, 0.5),
    p99: quantile(handOvers, 0.99),
    longest: Math.max(...turns.map(({ wants, has }) => has - wants)),
    overlaps,
  }
}

/** The one thing that is no matter of speed. */
export const broken = (results) => results.some(({ overlaps }) => overlaps > 0) && 'two processes had the lock at once'

export function conclude(results) {
  return WHO.map((who) => {
    const of = (field, name = who) => results.filter((result) => result.who === name).map((result) => result[field])
    return {
      who,
      'acq./s': summary(of('perSecond')),
      '× floor': ratio(of('perSecond'), of('perSecond', FLOOR)),
      'p50 ms': summary(of('p50')),
      'p99 ms': summary(of('p99')),
      'longest wait ms': summary(of('longest')),
      overlaps: of('overlaps').reduce((sum, count) => sum + count),
    }
  })
}
