// What it costs to hold very many locks at once and do nothing.

import { execFileSync } from 'node:child_process'
import { run } from '../processes.mjs'
import { difference, rowsOf, summary } from '../statistics.mjs'

export const name = 'leases'
const WANTED = 10_000
/** Each lease keeps a file open, and a process needs a few others. */
export const COUNT = Math.min(WANTED, openFiles() - 200)
/** Milliseconds between two beats of a lease in such a crowd: a shorter measurement would see all beats, or none. */
const BEAT = 10_000
const FEWER = COUNT < WANTED ? ' (limited by the number of open files: ulimit -Hn)' : ''
export const title = `${COUNT} leases held by one process that does nothing${FEWER}`
export const rounds = { full: 2, quick: 1 }
const NOBODY = 'nobody'
/** It touches every file every five seconds: once is enough. */
const SLOW = 'proper-lockfile'
/** Whose memory is measured some times more in a round: V8 takes it in pages of a quarter of a megabyte. */
const COARSE = [NOBODY, 'leasehold']
const TIMES_MORE = 3
const WHO = [NOBODY, 'engine', 'leasehold', SLOW]

function openFiles() {
  if (process.platform === 'win32') return Infinity
  const limit = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  return limit === 'unlimited' ? Infinity : Number(limit)
}

export async function round({ places: [place], quick, number, ordered }, results) {
  for (const who of ordered(WHO)) {
    if (who === SLOW && (quick || number > 0)) continue
    const measure = async (...watched) => {
      const { bytes, heap, share } = await run('leases', who, await place.newDirectory(), COUNT, ...watched)
      results.push({ who, bytes, heap, share: share * 100 })
    }
    await measure(BEAT)
    for (let more = COARSE.includes(who) ? TIMES_MORE : 0; more > 0; more--) await measure()
  }
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => {
    const row = { who, 'CPU % of a core': summary(of('share')) }
    if (who === NOBODY) return row
    // The engine runs without Node, so there is no share of Node's to subtract.
    const more = (field) => (who === 'engine' ? summary(of(field)) : difference(of(field), of(field, { who: NOBODY })))
    return {
      ...row,
      'CPU % added': more('share'),
      'memory each, bytes': more('bytes'),
      'of which JS heap, bytes': who === 'engine' ? undefined : more('heap'),
    }
  })
}
