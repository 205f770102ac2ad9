// One acquire + release that nobody competes for, on every kind of file system there is.

import { run } from '../processes.mjs'
import { median, select, summary } from '../statistics.mjs'

export const name = 'uncontended'
export const title = 'One uncontended acquire + release: µs, and times the floor'
const FLOOR = 'files'
/** Only Linux has unnamed files. */
const LINUX = process.platform === 'linux' ? ['calls', 'calls from Node', 'calls from Node, file kept'] : []
const FLOORS = [...LINUX, 'calls, file kept', 'flock']
const OURS = ['engine', 'leasehold', 'withFileLock', 'sync']
const KEPT = ['engine, file kept', 'leasehold, file kept', 'sync, file kept']
const NODE = ['fs.*Sync', 'fs.promises']
const PEERS = ['fs-native-extensions', 'lockfile', 'OpenClaw rules', 'proper-lockfile', 'fs-safe']
const WHO = [...FLOORS, ...OURS, ...KEPT, ...NODE, ...PEERS]

export async function round({ places, quick, ordered }, results) {
  for (const { type, newFile } of places) {
    const measure = async (who, milliseconds) => median(await run('uncontended', who, await newFile(), milliseconds))
    for (const who of ordered(WHO)) {
      // The floor moves within seconds, with whatever else the disk has to do: it is measured before and after.
      const before = await measure(FLOOR, 100)
      const us = await measure(who, quick ? 200 : 400)
      const after = await measure(FLOOR, 100)
      results.push({ type, who, us, floor: (before + after) / 2 })
    }
  }
}

export function conclude(results) {
  const types = [...new Set(results.map(({ type }) => type))]
  const rows = [FLOOR, ...WHO].map((who) => {
    const row = { who }
    for (const type of types) {
      const where = who === FLOOR ? { type } : { type, who }
      const floor = select(results, where, 'floor')
      const us = who === FLOOR ? floor : select(results, where, 'us')
      row[`${type} µs`] = summary(us)
      row[`${type} × floor`] = summary(us.map((value, at) => value / floor[at]))
    }
    return row
  })
  return rows.filter((row) => Object.keys(row).some((column) => column !== 'who' && row[column]))
}
