// One acquire + release that nobody competes for, on every kind of file system there is.

import { run } from '../processes.mjs'
import { median, summary } from '../statistics.mjs'

export const name = 'uncontended'
export const title = 'One uncontended acquire + release: µs, and times the floor'
const FLOOR = 'files'
/** Unnamed files are Linux's. */
const CALLS = process.platform === 'linux' ? ['calls'] : []
const WHO = [...CALLS, 'engine', 'leasehold', 'withFileLock', 'sync', 'fs.*Sync', 'proper-lockfile']

export async function round({ places, quick, ordered }, results) {
  for (const { type, newFile } of places) {
    const measure = async (who, milliseconds) => median(await run('uncontended', who, await newFile(), milliseconds))
    for (const who of ordered(WHO)) {
      // The floor moves within seconds, with whatever else the disk has to do: it is taken on both sides.
      const before = await measure(FLOOR, 100)
      const us = await measure(who, quick ? 200 : 500)
      const after = await measure(FLOOR, 100)
      results.push({ type, who, us, floor: (before + after) / 2 })
    }
  }
}

export function conclude(results, { places }) {
  const rows = [{ who: FLOOR }, ...WHO.map((who) => ({ who }))]
  for (const { type } of places) {
    const here = results.filter((result) => result.type === type)
    for (const row of rows) {
      const own = here.filter(({ who }) => row.who === FLOOR || row.who === who)
      row[`${type} µs`] = summary(own.map(({ us, floor }) => (row.who === FLOOR ? floor : us)))
      row[`${type} × floor`] = summary(own.map(({ us, floor }) => (row.who === FLOOR ? 1 : us / floor)))
    }
  }
  return rows
}
