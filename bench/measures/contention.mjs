// Two processes want one lock all the time: each holds it for a while and thinks for half as long.

import { runTogether } from '../processes.mjs'
import { median, overlaps, quantile, ratio, rowsOf, sum, summary } from '../statistics.mjs'
import { HOLD, THINK } from '../turn.mjs'

export const name = 'contention'
export const title =
  `Two processes, hold ${HOLD} ms, think ${THINK} ms: hand-over from just before release() until the waiter has it`
const FLOOR = 'flock'
/** One process that only holds: what Node's timers leave of the floor, whatever the lock does. */
const TIMERS = 'Node’s timers'
const OURS = ['engine', 'leasehold', 'withFileLock', 'sync']
const PEERS = ['fs-native-extensions', 'lockfile', 'OpenClaw rules', 'proper-lockfile', 'fs-safe']
const WHO = [FLOOR, TIMERS, ...OURS, ...PEERS]
/** Those that sleep by Node's timers. */
const NODE = new Set(WHO.filter((who) => !['flock', 'engine', 'sync'].includes(who)))

export async function round({ places, quick, ordered }, results) {
  for (const who of ordered(WHO)) {
    const file = await places[0].newFile()
    const milliseconds = quick ? 1000 : 2000
    const all = who === TIMERS ? [1, 'timers', 'nobody'] : [2, 'contend', who]
    const said = await runTogether(...all, file, milliseconds)
    const turns = said.flatMap((own, process) => own.map(([wants, has, leaves]) => ({ process, wants, has, leaves })))
    results.push({ who, ...evaluate(turns, milliseconds), overlaps: overlaps(said.flat()) })
  }
}

function evaluate(turns, milliseconds) {
  turns.sort((a, b) => a.has - b.has)
  const handOvers = []
  let outOfTurn = 0
  for (const [index, turn] of turns.entries()) {
    const previous = turns[index - 1]
    if (previous === undefined) continue
    if (turn.process === previous.process) {
      // The other process's next turn: if it wanted the lock before the previous one left, it was passed over.
      const passed = turns.slice(index).find(({ process }) => process !== turn.process)
      if (passed && passed.wants < previous.leaves) outOfTurn++
    } else if (turn.wants < previous.leaves) {
      // Only if it was already waiting; taking a lock that was free for a while is no hand-over.
      handOvers.push(turn.has - previous.leaves)
    }
  }
  const longest = Math.max(...turns.map(({ wants, has }) => has - wants))
  const usual = median(turns.map(length))
  return {
    perSecond: (turns.length / milliseconds) * 1000,
    p50: quantile(handOvers, 0.5),
    p99: quantile(handOvers, 0.99),
    longest,
    unfair: Math.max(...turns.map((turn, index) => (turn.has - turn.wants) / share(turns, index, usual))),
    beyond: longest / usual,
    outOfTurn: (outOfTurn / turns.length) * 100,
  }
}

const length = ({ has, leaves }) => leaves - has

/**
 * How long `turns[index]` may have to wait if turns alternate: one turn of the other process, which is longer than
 * usual if its timer came late. Whoever waits for two turns waits for more than its share.
 */
function share(turns, index, usual) {
  const { wants } = turns[index]
  let share = usual
  for (let before = index - 1; before >= 0 && turns[before].leaves > wants; before--) {
    share = Math.max(share, length(turns[before]))
  }
  return share
}

/** The one result that has nothing to do with speed. */
export function broken(results) {
  const who = new Set(results.filter(({ overlaps }) => overlaps > 0).map((result) => result.who))
  return who.size > 0 && `two processes had the lock at once: ${[...who].join(', ')}`
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => {
    const row = { who, 'acq./s': summary(of('perSecond')) }
    row['× flock'] = ratio(of('perSecond'), of('perSecond', { who: FLOOR }))
    row['× timers'] = NODE.has(who) ? ratio(of('perSecond'), of('perSecond', { who: TIMERS })) : undefined
    if (who === TIMERS) return row
    return {
      ...row,
      'p50 ms': summary(of('p50')),
      'p99 ms': summary(of('p99')),
      'longest wait ms': summary(of('longest')),
      '× fair share': summary(of('unfair')),
      '× usual turn': summary(of('beyond')),
      'out of turn %': summary(of('outOfTurn')),
      overlaps: sum(of('overlaps')),
    }
  })
}
