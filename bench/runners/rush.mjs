// Prints [wants, has, leaves] of one turn, which many processes want at the same moment. Arguments: who, file.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'
import { together } from './together.mjs'
import { warmUp } from './warm-up.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
await warmUp(run, file)
const end = await together()
const wants = now()
let has, leaves
await run(file, () => {
  has = now()
  leaves = now()
})
// The end of a process would delay the turns of others.
await sleep(Math.max(0, end - now()))
console.log(JSON.stringify([wants, has, leaves]))
