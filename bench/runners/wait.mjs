// Says when it starts to wait for the lock, and when it has got it.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
console.log(now())
await run(file, () => console.log(now()))
