// One acquire + release that nobody competes for, on every kind of file system there is.

import { run } from '../processes.mjs'
import { median, ratio, summary } from '../statistics.mjs'

export const name = 'uncontended'
export const title = 'One uncontended acquire + release: µs, and times the floor'
const FLOOR = 'files'
const WHO = [FLOOR, 'engine', 'leasehold', 'withFileLock', 'sync', 'proper-lockfile']

export async function round({ places, quick, ordered }, results) {
  for (const { type, newFile } of places) {
    for (const who of ordered(WHO)) {
      const batches = await run('uncontended', who, await newFile(), quick ? 200 : 500)
      results.push({ type, who, us: median(batches) })
    }
  }
}

export function conclude(results, { places }) {
  return WHO.map((who) => {
    const row = { who }
    for (const { type } of places) {
      const of = (name) => results.filter((result) => result.type === type && result.who === name).map(({ us }) => us)
      row[`${type} µs`] = summary(of(who))
      row[`${type} × floor`] = ratio(of(who), of(FLOOR))
    }
    return row
  })
}
