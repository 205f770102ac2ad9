// The holder is killed while another process is waiting already.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { start } from '../processes.mjs'
import { median, ratio, summary } from '../statistics.mjs'

export const name = 'recovery'
export const title = 'From SIGKILL of the holder until a waiting process has the lock: ms'
/** Who dies, and who waits. A Node process takes milliseconds to die, whatever it holds. */
const PAIRS = [
  { who: 'flock', holder: 'flock', waiter: 'flock' },
  { who: 'engine', holder: 'engine', waiter: 'engine' },
  { who: 'engine, Node dies', holder: 'leasehold', waiter: 'engine' },
  { who: 'leasehold', holder: 'leasehold', waiter: 'leasehold' },
  { who: 'sync', holder: 'leasehold', waiter: 'sync' },
]
const FLOOR = PAIRS[0]
/** It waits for ten seconds whatever happens: once is enough. */
const SLOW = { who: 'proper-lockfile', holder: 'proper-lockfile', waiter: 'proper-lockfile' }

export async function round({ places: [place], quick, number, ordered }, results) {
  for (const pair of ordered(PAIRS)) {
    const times = []
    for (let kill = 0; kill < (quick ? 3 : 5); kill++) times.push(await recover(pair, place))
    results.push({ who: pair.who, ms: median(times) })
  }
  if (!quick && number === 0) results.push({ who: SLOW.who, ms: await recover(SLOW, place) })
}

async function recover(pair, place) {
  const file = await place.newFile()
  const holder = start('hold', pair.holder, file)
  await holder.next()
  const waiter = start('wait', pair.waiter, file)
  await waiter.next()
  await sleep(150 + Math.random() * 300)
  const killed = now()
  const killing = holder.kill()
  const has = await waiter.next()
  await Promise.all([killing, waiter.ended])
  return has - killed
}

export function conclude(results) {
  const of = ({ who }) => results.filter((result) => result.who === who).map(({ ms }) => ms)
  return [...PAIRS, SLOW]
    .filter((pair) => of(pair).length > 0)
    .map((pair) => {
      const row = { who: pair.who, ms: summary(of(pair)) }
      return pair === SLOW ? row : { ...row, '× floor': ratio(of(pair), of(FLOOR)) }
    })
}
