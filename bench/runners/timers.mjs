// Turns as of a lock that is handed over in no time at all, so that only Node's timers take any: who, end.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { HOLD } from '../turn.mjs'

const [, end] = process.argv.slice(2)
const turns = []
while (now() < end) {
  const has = now()
  await sleep(HOLD)
  turns.push([has, has, now()])
}
console.log(JSON.stringify(turns))
