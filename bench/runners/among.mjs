// Microseconds per acquire + release while many other locks are held. Arguments: who, a file, a directory for the
// others, how many others at each step.

import { join } from 'node:path'
import { acquireFileLock } from 'leasehold'
import { now } from '../clock.mjs'
import { median } from '../statistics.mjs'

const BATCH = 20
const [, file, directory, ...counts] = process.argv.slice(2)
const held = []

async function batch() {
  const began = now()
  for (let count = 0; count < BATCH; count++) await (await acquireFileLock(file)).release()
  return ((now() - began) * 1000) / BATCH
}

for (const end = now() + 300; now() < end; ) await batch()
const steps = []
for (const count of counts.map(Number)) {
  while (held.length < count) held.push(await acquireFileLock(join(directory, `held-${held.length}`)))
  const batches = []
  for (const end = now() + 300; now() < end; ) batches.push(await batch())
  steps.push([count, median(batches)])
}
console.log(JSON.stringify(steps))
process.exit()
