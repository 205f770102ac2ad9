// Says when it starts to wait for the lock, and when it has it. Arguments: who, file.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'
import { warmUp } from './warm-up.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
await warmUp(run, file)
console.log(now())
await run(file, () => console.log(now()))
