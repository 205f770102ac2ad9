// How often it gets the lock, asking for it again at once. Arguments: who, file.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'
import { together } from './together.mjs'
import { warmUp } from './warm-up.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
const nothing = () => {}
let count = 0
await warmUp(run, file)
const end = await together()
while (now() < end) {
  await run(file, nothing)
  count++
}
console.log(count)
