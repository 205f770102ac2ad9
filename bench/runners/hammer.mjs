// How often it had the lock, asking for it again at once: who, file, start, end.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, file, start, end] = process.argv.slice(2)
const run = await contestant(who)
const nothing = () => {}
let count = 0
await sleep(start - now())
while (now() < end) {
  await run(file, nothing)
  count++
}
console.log(count)
