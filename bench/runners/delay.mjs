// How long an event waits for the event loop, while locks are acquired at a steady pace and while none are. Arguments:
// who, how many per second, for how many milliseconds of each, files.

import { contestant } from '../contestants.mjs'
import { quantileOfCounts, sum } from '../statistics.mjs'

const [who, perSecond, limit, ...files] = process.argv.slice(2)
const run = await contestant(who)
const nothing = () => {}

/** Imaginary events arrive this often, in milliseconds, and are served when the loop next comes round. */
const EVERY = 0.02
/** An event that waits for more microseconds is late. */
const LATE = 1000
const WARM_UP = 500
/** For so many milliseconds locks are acquired, or not: what else the machine does hits both. */
const SLICE = 200
/** The first milliseconds of a slice do not count: what the one before has begun may end in them. */
const SETTLE = 20

/** How many events waited for each number of microseconds, or for more than the last, slice by slice. */
const slices = Array.from({ length: 2 * Math.ceil(limit / SLICE) }, () => new Uint32Array(50_000))
/** Yes, no, no, yes, and again, so that in each pair of slices the other one comes first. */
const locks = (slice) => slice < 0 || slice % 4 === 0 || slice % 4 === 3

function serve(waits, from, to) {
  for (let event = Math.ceil(from / EVERY) * EVERY; event < to; event += EVERY) {
    waits[Math.min(waits.length - 1, Math.floor((to - event) * 1000))]++
  }
}

const gap = 1000 / perSecond
const start = performance.now() + WARM_UP
let previous = performance.now()
let next = previous
let asked = 0
let done = 0
const running = new Set()

// The loop never sleeps, so each of its rounds is seen. A round belongs to the slice in which it began.
function spin() {
  const time = performance.now()
  const slice = Math.floor((previous - start) / SLICE)
  if (slice >= slices.length) return void Promise.all(running).then(tell)
  if (slice >= 0 && previous - start - slice * SLICE >= SETTLE) serve(slices[slice], previous, time)
  previous = time
  if (!locks(Math.floor((time - start) / SLICE))) next = time
  else if (time >= next) {
    next += gap
    const one = Promise.resolve(run(files[asked++ % files.length], nothing))
    running.add(one)
    void one.finally(() => running.delete(one) && slice >= 0 && done++)
  }
  setImmediate(spin)
}

/** The waits in those slices in which locks were acquired, or not, in milliseconds; and how many percent were late. */
function summarise(chosen) {
  const waits = chosen.reduce((all, slice) => all.map((count, wait) => count + slice[wait]))
  const [p50, p99, p999, longest] = [0.5, 0.99, 0.999, 1].map((share) => quantileOfCounts(waits, share) / 1000)
  return { p50, p99, p999, longest, late: chosen.map((slice) => (100 * sum(slice.subarray(LATE))) / sum(slice)) }
}

function tell() {
  const [locking, alone] = [true, false].map((which) => summarise(slices.filter((_, slice) => locks(slice) === which)))
  console.log(JSON.stringify({ locking: { ...locking, perSecond: (done * 1000) / limit }, alone }))
  process.exit()
}

spin()
