// Says when it starts to wait for the lock, and when it has it. Arguments: who, file.

import { writeFileSync } from 'node:fs'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
writeFileSync(`${file}-before`, '')
// As in a process that has locked before: compiling on the first run takes a millisecond.
await run(`${file}-before`, () => {})
console.log(now())
await run(file, () => console.log(now()))
