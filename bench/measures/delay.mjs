// How long events wait for the event loop of a process that acquires 1,000 locks per second.

import { run } from '../processes.mjs'
import { difference, mean, rowsOf, standardError, summary } from '../statistics.mjs'

export const name = 'delay'
export const rounds = { full: 3, quick: 1 }
export const title = 'Event loop delay while 1,000 locks are acquired and released each second, and while none are'
const PER_SECOND = 1000
const FILES = 64
const WHO = ['nobody', 'leasehold', 'withFileLock', 'sync', 'fs.*Sync', 'OpenClaw rules', 'proper-lockfile']

export async function round({ places: [place], quick, ordered }, results) {
  for (const who of ordered(WHO)) {
    const files = await Promise.all(Array.from({ length: FILES }, () => place.newFile()))
    const { locking, alone } = await run('delay', who, PER_SECOND, quick ? 1000 : 3000, ...files)
    results.push({ who, ...locking, alone, added: difference(locking.late, alone.late).rounds })
  }
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => {
    // Pairs of slices side by side, of all rounds.
    const added = of('added').flat()
    return {
      who,
      'locks/s': who === 'nobody' ? undefined : summary(of('perSecond')),
      'p50 ms': summary(of('p50')),
      'p99 ms': summary(of('p99')),
      'p99.9 ms': summary(of('p999')),
      'longest ms': summary(of('longest')),
      'p99.9 ms without': summary(of('alone').map(({ p999 }) => p999)),
      'late % added': summary([mean(added)]),
      'give or take': summary([2 * standardError(added)]),
    }
  })
}
