// What it takes to have the package: bytes, and the time until it can be used.

import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { now } from '../clock.mjs'
import { median, rowsOf, summary } from '../statistics.mjs'

export const name = 'size'
export const title = 'Loading the package in a new process: ms, and the size of the addon'
export const rounds = { full: 3, quick: 1 }
const EMPTY = 'nobody'
const WHO = [EMPTY, 'leasehold', 'fs-native-extensions', 'lockfile', 'proper-lockfile', 'fs-safe']
const TIMES = 15
const LOADER = fileURLToPath(new URL('../runners/load.cjs', import.meta.url))

export async function round({ ordered, available }, results) {
  const times = new Map()
  const who = WHO.filter((each) => available(each))
  // In turns, since a start of Node takes ten times as long and is never the same.
  for (let time = 0; time < TIMES; time++) {
    for (const each of ordered(who)) {
      const began = now()
      const load = Number(execFileSync(process.execPath, [LOADER, each], { encoding: 'utf8' }))
      times.set(each, [...(times.get(each) ?? []), { load, whole: now() - began }])
    }
  }
  const whole = (each) => median(times.get(each).map((time) => time.whole))
  for (const each of who) {
    const load = median(times.get(each).map((time) => time.load))
    const kilobytes = each === 'leasehold' ? addon() : undefined
    results.push({ who: each, load, added: whole(each) - whole(EMPTY), kilobytes })
  }
}

/** Kilobytes of the addon, as it is loaded. */
function addon() {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const addons = readdirSync(root).filter((file) => file.endsWith('.node'))
  return Math.max(...addons.map((file) => statSync(`${root}${file}`).size)) / 1000
}

export function conclude(results) {
  const others = WHO.filter((who) => who !== EMPTY)
  return rowsOf(results, others, (who, of) => ({
    who,
    'load ms': summary(of('load')),
    'process longer by ms': summary(of('added')),
    'addon kB': who === 'leasehold' ? summary(of('kilobytes')) : undefined,
  }))
}
