// Microseconds per write of a JSON file of 10 kB. Arguments: who, file, whether durable, for how many milliseconds.

import fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { now } from '../clock.mjs'

const WRITERS = {
  leasehold: async () => {
    const { writeJsonFileAtomically } = await import('leasehold')
    return (path, value, durable) => writeJsonFileAtomically(path, value, { durable })
  },
  'write-file-atomic': async () => {
    const { write } = await import('../peers/write-file-atomic.mjs')
    return (path, value, durable) => write(path, textOf(value), { fsync: durable })
  },
  'fs.promises': async () => replace,
  /** A power cut can no longer bring the old file back. */
  'fs.promises, name synced': async () => async (path, value, durable) => {
    await replace(path, value, durable)
    const directory = await fs.open(dirname(path))
    await directory.sync()
    await directory.close()
  },
}

/** The least that Node can do: a kill leaves the file under its other name. */
async function replace(path, value, durable) {
  const file = await fs.open(`${path}.tmp`, 'w')
  await file.writeFile(textOf(value))
  if (durable) await file.sync()
  await file.close()
  await fs.rename(`${path}.tmp`, path)
}

const textOf = (value) => `${JSON.stringify(value, null, 2)}\n`

const [who, file, durable, limit] = process.argv.slice(2)
const write = await WRITERS[who]()
const value = Array.from({ length: 120 }, (_, number) => ({ number, name: `entry ${number}`, text: 'x'.repeat(20) }))
const one = () => write(file, value, durable === 'true')

for (const end = now() + 200; now() < end; ) await one()
const times = []
for (const end = now() + Number(limit); now() < end; ) {
  const began = now()
  await one()
  times.push((now() - began) * 1000)
}
console.log(JSON.stringify(times))
