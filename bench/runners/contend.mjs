// Prints [wants, has, leaves] of each turn. Arguments: who, file.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'
import { HOLD, THINK } from '../turn.mjs'
import { together } from './together.mjs'
import { warmUp } from './warm-up.mjs'

const [who, file] = process.argv.slice(2)
const run = await contestant(who)
const turns = []
const cell = new Int32Array(new SharedArrayBuffer(4))
const pause = who.startsWith('sync') ? (milliseconds) => void Atomics.wait(cell, 0, 0, milliseconds) : sleep

async function turn() {
  const wants = now()
  let has, leaves
  const leave = () => (leaves = now())
  await run(file, () => {
    has = now()
    const held = pause(HOLD)
    return held ? held.then(leave) : leave()
  })
  turns.push([wants, has, leaves])
  await pause(THINK)
}

await warmUp(run, file)
const end = await together()
while (now() < end) await turn()
console.log(JSON.stringify(turns))
