// Microseconds per acquire + release, in batches. Arguments: who, file, for how many milliseconds.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const BATCH = 20
const [who, file, limit] = process.argv.slice(2)
const run = await contestant(who)
const nothing = () => {}

async function batch() {
  const began = now()
  for (let count = 0; count < BATCH; count++) {
    const running = run(file, nothing)
    if (running) await running
  }
  return ((now() - began) * 1000) / BATCH
}

// Warm-up, limited by time: the slowest are not run for seconds just for that.
for (const end = now() + 300; now() < end; ) await batch()
const batches = []
for (const end = now() + Number(limit); now() < end; ) batches.push(await batch())
console.log(JSON.stringify(batches))
