// How costs grow: with waiting tasks, held locks, locks waited for, processes, and files in the directory.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, runTogether, start } from '../processes.mjs'
import { exponent, median, overlaps, select, sum, summary } from '../statistics.mjs'
import { HOLD } from '../turn.mjs'
import { COUNT as LEASES } from './leases.mjs'

export { broken } from './contention.mjs'

export const name = 'scale'
export const title =
  'How the cost of one grows with the number: µs; exponent 0 is constant, 1 linear; beyond log n: that of µs / log n'
export const rounds = { full: 2, quick: 1 }

const upTo = (most) => [1, 10, 100, 1000, 10_000, 100_000].filter((count) => count <= most)

/**
 * `cost(who, counts, …)` resolves to lists of a count, the cost of one at that count, in the place that is picked, and
 * perhaps how often two had the lock at once.
 */
const CURVES = [
  {
    curve: 'hand-over by tasks in the queue',
    who: ['promises', 'leasehold'],
    counts: upTo(10_000),
    quick: upTo(10_000).slice(1),
    async cost(who, counts, place) {
      return each(counts, async (tasks) => (await run('queue', who, await place.newFile(), tasks, 200)).handOver)
    },
  },
  {
    curve: 'acquire + release by locks held',
    who: ['leasehold'],
    counts: upTo(LEASES),
    quick: upTo(1000),
    async cost(who, counts, place) {
      return run('among', who, await place.newFile(), await place.newDirectory(), ...counts)
    },
  },
  {
    curve: 'waiting by locks waited for',
    who: ['leasehold'],
    counts: upTo(1000).slice(1),
    quick: [10, 1000],
    async cost(who, counts, place) {
      return each(counts, async (count) => {
        const files = await Promise.all(Array.from({ length: count }, () => place.newFile()))
        const holder = start('hold', who, ...files)
        await holder.next()
        const idle = await run('waiters', 'nobody', 2000, '-')
        const { share } = await run('waiters', who, 2000, '-', ...files)
        await holder.kill()
        return ((share - idle.share) * 1e6) / count
      })
    },
  },
  {
    curve: 'turn by processes that ask again at once',
    who: ['flock', 'engine', 'leasehold'],
    counts: [1, 2, 4, 8, 16, 32, 64],
    quick: [1, 2, 8, 32],
    pick: (places) => places.at(-1),
    async cost(who, counts, place) {
      return each(counts, async (count) => {
        const said = await runTogether(count, 'hammer', who, await place.newFile(), 1000)
        return 1e6 / sum(said)
      })
    },
  },
  {
    curve: 'turn by processes that ask once, together',
    who: ['flock', 'engine', 'leasehold'],
    counts: [1, 2, 4, 8, 16, 32, 64],
    quick: [1, 8, 32],
    pick: (places) => places.at(-1),
    cost(who, counts, place) {
      return turnsOf(counts, place, (count, file) => runTogether(count, 'rush', who, file, 1000))
    },
  },
  {
    curve: `turn by processes that hold it for ${HOLD} ms`,
    who: ['flock', 'engine', 'leasehold'],
    counts: [1, 2, 4, 8, 16, 32, 64],
    quick: [1, 8, 32],
    pick: (places) => places.at(-1),
    cost(who, counts, place) {
      return turnsOf(counts, place, async (count, file) => (await runTogether(count, 'contend', who, file, 1000)).flat())
    },
  },
  {
    curve: 'acquire + release by files in the directory',
    who: ['files', 'leasehold'],
    counts: upTo(100_000),
    quick: upTo(1000),
    // In memory: on ext4 without a journal, freed inodes cost more than other files in the directory do.
    pick: (places) => places.at(-1),
    async cost(who, counts, place) {
      const directory = await place.newDirectory()
      const file = join(directory, 'file-0')
      let files = 0
      return each(counts, async (count) => {
        while (files < count) writeFileSync(join(directory, `file-${files++}`), '')
        return median(await run('uncontended', who, file, 300))
      })
    },
  },
]

/** `turns(count, file)` resolves to `[wants, has, leaves]` of each turn. */
async function turnsOf(counts, place, turns) {
  const points = []
  for (const count of counts) {
    const all = await turns(count, await place.newFile())
    const began = Math.min(...all.map(([wants]) => wants))
    const ended = Math.max(...all.map(([, , leaves]) => leaves))
    points.push([count, ((ended - began) * 1000) / all.length, overlaps(all)])
  }
  return points
}

async function each(counts, cost) {
  const points = []
  for (const count of counts) points.push([count, await cost(count)])
  return points
}

export async function round({ places, quick, ordered }, results) {
  for (const { curve, who, counts, quick: few, cost, pick = ([first]) => first } of CURVES) {
    for (const one of ordered(who)) {
      const points = await cost(one, quick ? few : counts, pick(places))
      for (const [count, us, overlaps = 0] of points) results.push({ curve, who: one, count, us, overlaps })
    }
  }
}

export function conclude(results) {
  const counts = [...new Set(results.map(({ count }) => count))].sort((a, b) => a - b)
  return CURVES.flatMap(({ curve, who }) =>
    who.map((one) => {
      const points = counts.map((count) => [count, summary(select(results, { curve, who: one, count }, 'us'))])
      // A count of one says more about starting than about growing.
      const grown = points.filter(([count, us]) => us && count > 1).map(([count, { median }]) => [count, median])
      const columns = points.map(([count, us]) => [`n=${count}`, us])
      const beyond = exponent(grown.map(([count, us]) => [count, us / Math.log2(count)]))
      return { who: one, curve, exponent: exponent(grown), 'beyond log n': beyond, ...Object.fromEntries(columns) }
    }),
  )
}
