// Eight processes take one lock again and again, and hold it for no time at all.

import { runTogether } from '../processes.mjs'
import { rowsOf, sum, summary } from '../statistics.mjs'

export const name = 'fairness'
export const title = 'Eight processes, zero hold: what each gets of an equal share'
export const rounds = { full: 2, quick: 1 }
const PROCESSES = 8
const WHO = ['flock', 'engine', 'leasehold', 'sync', 'fs-native-extensions', 'proper-lockfile']

export async function round({ places, quick, ordered }, results) {
  for (const who of ordered(WHO)) {
    const file = await places[0].newFile()
    const milliseconds = quick ? 1000 : 5000
    const counts = await runTogether(PROCESSES, 'hammer', who, file, milliseconds)
    const equal = sum(counts) / PROCESSES
    const perSecond = (sum(counts) * 1000) / milliseconds
    results.push({ who, perSecond, least: Math.min(...counts) / equal, most: Math.max(...counts) / equal })
  }
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => ({
    who,
    'acq./s': summary(of('perSecond')),
    'least share': summary(of('least')),
    'largest share': summary(of('most')),
  }))
}
