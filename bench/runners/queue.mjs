// Microseconds per task when many tasks of one process want one lock: until all are in the queue, and then from one to
// the next. Arguments: who, file, how many tasks, for how many milliseconds.

import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'
import { median } from '../statistics.mjs'

const [who, file, tasks, limit] = process.argv.slice(2)
const count = Number(tasks)
const run = await contestant(who)
const nothing = () => {}

async function round() {
  let open
  const gate = new Promise((resolve) => (open = resolve))
  const first = await new Promise((has) => {
    const running = run(file, () => {
      has({ ended: () => running })
      return gate
    })
  })
  const asked = now()
  const all = Promise.all(Array.from({ length: count }, () => run(file, nothing)))
  await turnOfTheLoop()
  const queued = now()
  open()
  await Promise.all([first.ended(), all])
  return { queueing: ((queued - asked) * 1000) / count, handOver: ((now() - queued) * 1000) / count }
}

// Warm-up: the compiler does its work first.
for (const end = now() + Number(limit); now() < end; ) await round()
const rounds = []
for (const end = now() + Number(limit); now() < end || rounds.length === 0; ) rounds.push(await round())
const middle = (field) => median(rounds.map((round) => round[field]))
console.log(JSON.stringify({ queueing: middle('queueing'), handOver: middle('handOver') }))
