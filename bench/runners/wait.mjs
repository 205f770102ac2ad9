// Says when it starts to wait for the lock, and when it has got it.

import { now } from '../clock.mjs'
import { CONTESTANTS } from '../contestants.mjs'

const [who, file] = process.argv.slice(2)
console.log(now())
await CONTESTANTS[who](file, () => console.log(now()))
