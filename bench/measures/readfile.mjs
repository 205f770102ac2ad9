// What waiting costs the rest of a process: 100 tasks wait for locks that another process holds.

import { run, start } from '../processes.mjs'
import { quantile, summary } from '../statistics.mjs'

export const name = 'readfile'
export const title = 'fs.readFile of a small file while 100 tasks wait for 100 locks of another process: ms'
const WAITERS = 100
const NOBODY = 'nobody'
const WHO = [NOBODY, 'leasehold', 'proper-lockfile']

export async function round({ places, quick, ordered }, results) {
  const [place] = places
  const small = await place.newFile()
  for (const who of ordered(WHO)) {
    const files = who === NOBODY ? [] : await Promise.all(Array.from({ length: WAITERS }, () => place.newFile()))
    const holder = files.length > 0 && start('hold', who, ...files)
    await (holder && holder.next())
    const delays = await run('readfile', who, quick ? 500 : 1000, small, ...files)
    await (holder && holder.kill())
    results.push({ who, p50: quantile(delays, 0.5), p99: quantile(delays, 0.99), longest: Math.max(...delays) })
  }
}

export function conclude(results) {
  return WHO.map((who) => {
    const of = (field) => results.filter((result) => result.who === who).map((result) => result[field])
    return { who, 'p50 ms': summary(of('p50')), 'p99 ms': summary(of('p99')), 'longest ms': summary(of('longest')) }
  })
}
