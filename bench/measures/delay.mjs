// How long events wait for the event loop of a process that acquires 1,000 locks per second.

import { run } from '../processes.mjs'
import { difference, rowsOf, summary } from '../statistics.mjs'

export const name = 'delay'
export const rounds = { full: 3, quick: 1 }
export const title = 'Event loop delay while 1,000 locks are acquired and released each second: ms'
const PER_SECOND = 1000
const FILES = 64
const NOBODY = 'nobody'
const WHO = ['leasehold', 'withFileLock', 'sync', 'fs.*Sync', 'OpenClaw rules', 'proper-lockfile']

export async function round({ places: [place], quick, ordered }, results) {
  const measure = async (who) => {
    const files = await Promise.all(Array.from({ length: FILES }, () => place.newFile()))
    return run('delay', who, PER_SECOND, quick ? 1000 : 3000, ...files)
  }
  for (const who of ordered(WHO)) {
    // Just before: what else the machine does changes from one moment to the next.
    const alone = await measure(NOBODY)
    results.push({ who: NOBODY, ...alone }, { who, ...(await measure(who)), alone: alone.p999 })
  }
}

export function conclude(results) {
  return rowsOf(results, [NOBODY, ...WHO], (who, of) => ({
    who,
    'acq./s': who === NOBODY ? undefined : summary(of('perSecond')),
    'p50 ms': summary(of('p50')),
    'p99 ms': summary(of('p99')),
    'p99.9 ms': summary(of('p999')),
    'longest ms': summary(of('longest')),
    'p99.9 added ms': who === NOBODY ? undefined : difference(of('p999'), of('alone')),
  }))
}
