// What held leases cost: bytes of memory each, and the share of a core that they take while nothing happens.
// Who, directory, how many, for how many milliseconds.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'

/** How each takes a lock and keeps it; `work` would cost memory that is no lock's. */
const TAKES = {
  leasehold: async () => (await import('leasehold')).acquireFileLock,
  'proper-lockfile': async () => {
    const { lock } = await import('../peers/proper-lockfile.mjs')
    return (path) => {
      writeFileSync(path, '')
      return lock(path)
    }
  },
  nobody: async () => (path) => path,
}

const [who, directory, count, limit] = process.argv.slice(2)
const take = await TAKES[who]()
const { gc } = globalThis

async function takeMany(name, number) {
  const held = []
  for (let file = 0; file < number; file++) held.push(await take(join(directory, `${name}-${file}`)))
  return held
}

function memory() {
  gc()
  gc()
  const { rss, heapUsed } = process.memoryUsage()
  return { rss, heapUsed }
}

/** V8 makes room for what is new, the more the more of it stays: that is not what one more lease costs. */
function makeRoom() {
  for (let time = 0; time < 10; time++) Array.from({ length: 300_000 }, (_, number) => ({ number }))
}

// Nor is what the first few cost everybody.
makeRoom()
const some = await takeMany('some', 100)
const before = memory()
const held = await takeMany('held', Number(count))
const after = memory()
// While there were few they were looked after more often; and some seconds after the last one V8 tidies up. Half a
// pause more keeps the beats, which come all at once, away from the ends of what is measured.
await sleep(2.5 * Number(limit))
const [began, used] = [now(), process.cpuUsage()]
await sleep(Number(limit))
const { user, system } = process.cpuUsage(used)
const share = (user + system) / 1000 / (now() - began)
const each = (field) => (after[field] - before[field]) / held.length
console.log(JSON.stringify({ bytes: each('rss'), heap: each('heapUsed'), share, some: some.length }))
process.exit()
