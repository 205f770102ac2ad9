// What waiting costs the rest of a process: 1,000 tasks wait for 1,000 locks that another process holds.

import { run, start } from '../processes.mjs'
import { difference, quantile, rowsOf, summary } from '../statistics.mjs'

export const name = 'waiters'
export const title = 'fs.readFile of a small file while 1,000 tasks wait for 1,000 locks of another process'
export const rounds = { full: 3, quick: 1 }
const WAITERS = 1000
const NOBODY = 'nobody'
const WHO = [NOBODY, 'leasehold', 'fs-native-extensions', 'lockfile', 'OpenClaw rules', 'proper-lockfile']

export async function round({ places: [place], quick, ordered }, results) {
  const small = await place.newFile()
  for (const who of ordered(WHO)) {
    const files = who === NOBODY ? [] : await Promise.all(Array.from({ length: WAITERS }, () => place.newFile()))
    const holder = files.length > 0 && start('hold', who, ...files)
    await (holder && holder.next())
    const { delays, threads, share } = await run('waiters', who, quick ? 800 : 1500, small, ...files)
    await (holder && holder.kill())
    const [p50, p99, longest] = [0.5, 0.99, 1].map((part) => quantile(delays, part))
    results.push({ who, p50, p99, longest, threads, share: share * 100 })
  }
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => {
    const added = (field) => (who === NOBODY ? undefined : difference(of(field), of(field, { who: NOBODY })))
    return {
      who,
      'p50 ms': summary(of('p50')),
      'p99 ms': summary(of('p99')),
      'longest ms': summary(of('longest')),
      'p99 added ms': added('p99'),
      'threads added': added('threads'),
      'CPU %': summary(of('share')),
    }
  })
}
