// How long `fs.readFile` takes while tasks of this process wait for locks that others hold, how many threads there are,
// and how much of a core they use. Arguments: who, for how many milliseconds, what to read ('-' for nothing), files.

import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, limit, small, ...files] = process.argv.slice(2)
const run = await contestant(who)
for (const file of files) void run(file, () => {})
await sleep(500)
const delays = []
const [start, used] = [now(), process.cpuUsage()]
const end = start + Number(limit)
const over = new Promise((resolve) => setTimeout(resolve, Number(limit)))
while (small !== '-' && now() < end) {
  const began = now()
  // If waiters fill libuv's pool, it never completes.
  await Promise.race([readFile(small), over])
  delays.push(now() - began)
  await sleep(1)
}
await over
const { user, system } = process.cpuUsage(used)
const share = (user + system) / 1000 / (now() - start)
const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').length : undefined
console.log(JSON.stringify({ delays, threads, share }))
process.exit()
