// What held leases cost: bytes of memory each, and the share of a core that they take while nothing happens. Arguments:
// who, directory, how many, and for how many milliseconds to watch them do nothing, if at all.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getHeapSpaceStatistics } from 'node:v8'
import { now } from '../clock.mjs'

/** How each takes a lock and keeps it; a `work` would cost memory that is not the lock's. */
const TAKES = {
  leasehold: async () => (await import('leasehold')).acquireFileLock,
  'proper-lockfile': async () => {
    const { lock } = await import('../peers/proper-lockfile.mjs')
    return (path) => {
      writeFileSync(path, '')
      return lock(path)
    }
  },
  nobody: async () => () => undefined,
}

const [who, directory, count, limit] = process.argv.slice(2)
const take = await TAKES[who]()
const { gc } = globalThis

async function takeMany(name, number) {
  const held = []
  for (let file = 0; file < number; file++) {
    // What is thrown away on the way would leave holes, which are no lease's: of up to 500 bytes for each.
    if (file % 1000 === 0) gc()
    held.push(await take(join(directory, `${name}-${file}`)))
  }
  return held
}

/** The memory of the process, except V8's room for new objects, which grows with whatever outlives a collection. */
function memory() {
  gc()
  gc()
  const { rss, heapUsed } = process.memoryUsage()
  const nursery = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
  return { rss: rss - nursery.physical_space_size, heapUsed }
}

// The cost of the first ones is left out: code that runs for the first time becomes part of a process's memory, too,
// and that is up to 300 bytes for each of ten thousand leases.
const some = await takeMany('some', Math.ceil(count / 5))
const before = memory()
const held = await takeMany('held', count - some.length)
const after = memory()

async function shareOfCore(limit) {
  // While there were few leases, they were tended more often; and some seconds after the last one V8 tidies up. Half a
  // period more keeps the beats, which all come at once, away from the ends of the measurement.
  await sleep(2.5 * limit)
  const [began, used] = [now(), process.cpuUsage()]
  await sleep(limit)
  const { user, system } = process.cpuUsage(used)
  return (user + system) / 1000 / (now() - began)
}

const share = limit === undefined ? undefined : await shareOfCore(Number(limit))
const each = (field) => (after[field] - before[field]) / held.length
console.log(JSON.stringify({ bytes: each('rss'), heap: each('heapUsed'), share, some: some.length }))
process.exit()
