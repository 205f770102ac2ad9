// Microseconds per task when many tasks of one process want the lock at once: who, file, tasks.

import { now } from '../clock.mjs'
import { CONTESTANTS } from '../contestants.mjs'

const [who, file, tasks] = process.argv.slice(2)
const run = CONTESTANTS[who]
const all = (count) => Promise.all(Array.from({ length: count }, () => run(file, () => {})))

await all(20)
const began = now()
await all(Number(tasks))
console.log(JSON.stringify(((now() - began) * 1000) / tasks))
