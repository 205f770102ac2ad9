// The report on a run of the fleet.

import { BLAME } from './account.mjs'

/** What either side is called. */
export const NAMES = { leasehold: 'leasehold', peer: 'OpenClaw', nobody: 'nobody' }
const SIDES = ['leasehold', 'peer']

/** The account of a run, in lines. */
export function describe(account) {
  const { turns, kills, recovered, overlaps, gaveUp, left, losses, refrained, sum, writes, lostUpdates } = account
  const whose = turns.leasehold > 0 ? ` (${turns.leasehold} of leasehold, ${turns.peer} of OpenClaw)` : ''
  const lines = [
    `${total(turns)} turns${whose}; ` +
      `${writes} updates counted, the counters say ${sum}, ${lostUpdates} lost`,
    `${kills.length} processes killed, ${kills.filter(({ holding }) => holding).length} of them holding a lock`,
  ]
  for (const from of SIDES) {
    const these = recovered.filter((one) => one.from === from && one.by !== undefined)
    if (these.length === 0) continue
    const by = SIDES.map((side) => `${these.filter((one) => one.by === side).length} by ${NAMES[side]}`)
    const times = these.map(({ ms }) => ms).sort((a, b) => a - b)
    lines.push(`${NAMES[from]} killed with a lock: recovered ${by.join(', ')}; ${range(times)}`)
  }
  if (gaveUp > 0) lines.push(`${gaveUp} times OpenClaw waited for 20 s in vain`)
  if (left.length > 0) lines.push(`left behind: ${left.join(', ')}`)
  const met = Object.entries(overlaps).filter(([, count]) => count > 0)
  lines.push(met.length === 0 ? 'never two in at once' : 'two in at once:')
  for (const [name, count] of met) {
    lines.push(`  ${count} × ${BLAME[name].means}`)
  }
  if (losses > 0) lines.push(`leasehold was told of ${losses} losses, and wrote nothing in ${refrained} of these turns`)
  return lines
}

/** Sorted `times` in a few words. */
export function range(times) {
  const median = times[Math.floor(times.length / 2)]
  return `median ${milliseconds(median)}, longest ${milliseconds(times.at(-1))}`
}

const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`
const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0)
