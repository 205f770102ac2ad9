// Milliseconds until a process that has loaded nothing yet has had a lock once. Arguments: who, file.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, file] = process.argv.slice(2)
const began = now()
const run = await contestant(who)
await run(file, () => {})
console.log(now() - began)
