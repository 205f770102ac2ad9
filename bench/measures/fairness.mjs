// Eight processes take one lock again and again: first they hold it for no time at all, then for a while. And then a
// crowd does.

import { runTogether } from '../processes.mjs'
import { overlaps, rowsOf, sum, summary } from '../statistics.mjs'
import { HOLD, THINK } from '../turn.mjs'

export { broken } from './contention.mjs'

export const name = 'fairness'
export const title =
  `Eight processes: turns relative to an equal share, with zero hold, and with hold ${HOLD} ms, think ${THINK} ms; and 32`
export const rounds = { full: 2, quick: 1 }
const PROCESSES = 8
const CROWD = 32
const WHO = ['flock', 'engine', 'leasehold', 'sync', 'fs-native-extensions', 'proper-lockfile']

export async function round({ places, quick, ordered }, results) {
  for (const who of ordered(WHO)) {
    const file = await places[0].newFile()
    const milliseconds = quick ? 1000 : 5000
    const counts = await runTogether(PROCESSES, 'hammer', who, file, milliseconds)
    const few = await runTogether(PROCESSES, 'contend', who, file, milliseconds)
    const crowd = await runTogether(CROWD, 'contend', who, file, milliseconds)
    const held = few.map((own) => own.length)
    results.push({
      who,
      perSecond: (sum(counts) * 1000) / milliseconds,
      least: share(Math.min, counts),
      most: share(Math.max, counts),
      leastHeld: share(Math.min, held),
      mostHeld: share(Math.max, held),
      longest: longestWait(few),
      leastCrowd: share(Math.min, crowd.map((own) => own.length)),
      longestCrowd: longestWait(crowd),
      overlaps: overlaps(few.flat()) + overlaps(crowd.flat()),
    })
  }
}

function share(extreme, counts) {
  return (extreme(...counts) * counts.length) / sum(counts)
}

function longestWait(turns) {
  return Math.max(...turns.flat().map(([wants, has]) => has - wants))
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => ({
    who,
    'acq./s': summary(of('perSecond')),
    'least share': summary(of('least')),
    'largest share': summary(of('most')),
    'least share, held': summary(of('leastHeld')),
    'largest share, held': summary(of('mostHeld')),
    'longest wait ms': summary(of('longest')),
    [`least share, ${CROWD} held`]: summary(of('leastCrowd')),
    [`longest wait ms, ${CROWD} held`]: summary(of('longestCrowd')),
  }))
}
