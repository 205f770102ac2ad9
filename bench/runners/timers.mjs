// The turns of a lock that is handed over in no time at all, so that only Node's timers take any.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { HOLD } from '../turn.mjs'
import { together } from './together.mjs'

const turns = []
const end = await together()
while (now() < end) {
  const has = now()
  await sleep(HOLD)
  turns.push([has, has, now()])
}
console.log(JSON.stringify(turns))
