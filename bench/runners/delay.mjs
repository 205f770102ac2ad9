// How long an event waits for the event loop while locks are acquired at a steady pace. Arguments: who, how many per
// second, for how many milliseconds, files.

import { contestant } from '../contestants.mjs'

const [who, perSecond, limit, ...files] = process.argv.slice(2)
const run = await contestant(who)
const nothing = () => {}

/** Imaginary events arrive this often, in milliseconds, and are served when the loop next comes round. */
const EVERY = 0.02
/** How many of them waited for each number of microseconds. */
const waits = new Uint32Array(200_000)

function serve(from, to) {
  for (let event = Math.ceil(from / EVERY) * EVERY; event < to; event += EVERY) {
    waits[Math.min(waits.length - 1, Math.floor((to - event) * 1000))]++
  }
}

/** The longest wait, in milliseconds, of the `share` of events that waited least. */
function quantile(share) {
  let left = waits.reduce((sum, count) => sum + count, 0) * share
  return waits.findIndex((count) => (left -= count) <= 0) / 1000
}

const gap = 1000 / perSecond
const WARM_UP = 500
const end = performance.now() + WARM_UP + Number(limit)
let previous = performance.now()
let next = previous
let asked = 0
const running = new Set()

// The loop never sleeps, so each of its rounds is seen.
function spin() {
  const time = performance.now()
  if (end - time < limit) serve(previous, time)
  previous = time
  if (time >= end) return void Promise.all(running).then(tell)
  if (time >= next) {
    next += gap
    const one = run(files[asked++ % files.length], nothing)
    if (one) running.add(one.finally(() => running.delete(one)))
  }
  setImmediate(spin)
}

function tell() {
  const perSecond = (asked * 1000) / (WARM_UP + Number(limit))
  const [p50, p99, p999, longest] = [0.5, 0.99, 0.999, 1].map(quantile)
  console.log(JSON.stringify({ perSecond, p50, p99, p999, longest }))
  process.exit()
}

spin()
