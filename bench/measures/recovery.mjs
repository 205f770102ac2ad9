// The holder is killed while another process is waiting already.

import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'
import { runner, start } from '../processes.mjs'
import { median, ratio, rowsOf, summary } from '../statistics.mjs'

export const name = 'recovery'
export const title = 'From SIGKILL of the holder until a waiting process has the lock: ms'
const FLOOR = 'flock'
const NODE_FLOOR = 'flock, Node dies'
const hold = (who) => (file) => start('hold', who, file)
/** Plain Node, with the kernel's lock on a file that it inherited. */
const inherited = (file) => start('exec', 'flock', file, process.execPath, runner('idle'))

/** Who dies, and who waits. A Node process takes milliseconds to die, whatever it holds. */
const PAIRS = [
  { who: FLOOR, holder: hold('flock'), waiter: 'flock' },
  { who: 'engine', holder: hold('engine'), waiter: 'engine' },
  { who: NODE_FLOOR, holder: inherited, waiter: 'flock' },
  { who: 'engine, Node dies', holder: hold('leasehold'), waiter: 'engine' },
  { who: 'leasehold', holder: hold('leasehold'), waiter: 'leasehold' },
  { who: 'sync', holder: hold('leasehold'), waiter: 'sync' },
  { who: 'fs-native-extensions', holder: hold('fs-native-extensions'), waiter: 'fs-native-extensions' },
  { who: 'OpenClaw rules', holder: hold('OpenClaw rules'), waiter: 'OpenClaw rules' },
]
/** They take seconds whatever happens: once is enough. (`lockfile` waits for ever.) */
const SLOW = [
  { who: 'proper-lockfile', holder: hold('proper-lockfile'), waiter: 'proper-lockfile' },
]

export async function round({ places: [place], quick, number, ordered, available }, results) {
  for (const who of ordered(PAIRS.map((pair) => pair.who))) {
    const pair = PAIRS.find((each) => each.who === who)
    const times = []
    for (let kill = 0; kill < (quick ? 3 : 4); kill++) times.push(await recover(pair, place))
    results.push({ who, ms: median(times) })
  }
  if (quick || number > 0) return
  for (const pair of SLOW.filter(({ who }) => available(who))) {
    results.push({ who: pair.who, ms: await recover(pair, place) })
  }
}

async function recover({ holder, waiter }, place) {
  const file = await place.newFile()
  const holding = holder(file)
  await holding.next()
  const waiting = start('wait', waiter, file)
  await waiting.next()
  await sleep(150 + Math.random() * 300)
  const killed = now()
  const killing = holding.kill()
  const has = await waiting.next()
  await Promise.all([killing, waiting.ended])
  return has - killed
}

export function conclude(results) {
  const all = [...PAIRS, ...SLOW].map(({ who }) => who)
  return rowsOf(results, all, (who, of) => {
    const ms = of('ms')
    const row = { who, ms: summary(ms) }
    if (SLOW.some((pair) => pair.who === who)) return row
    const against = (floor) => ratio(ms, of('ms', { who: floor }))
    return { ...row, '× flock': against(FLOOR), '× flock, Node dies': against(NODE_FLOOR) }
  })
}
