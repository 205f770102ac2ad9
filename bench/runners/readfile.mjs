// Milliseconds that `fs.readFile` takes while tasks of this process wait for locks that others hold:
// who, for how many milliseconds, files.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { CONTESTANTS } from '../contestants.mjs'

const [who, limit, small, ...files] = process.argv.slice(2)
for (const file of files) void CONTESTANTS[who](file, () => {})
await sleep(300)
const delays = []
for (const end = now() + Number(limit); now() < end; ) {
  const began = now()
  await readFile(small)
  delays.push(now() - began)
  await sleep(1)
}
console.log(JSON.stringify(delays))
process.exit()
