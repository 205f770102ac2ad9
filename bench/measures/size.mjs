// What the package costs: bytes, and the time until it can be used, and until it has been used once.

import { execFileSync } from 'node:child_process'
import { cpSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platformName } from '../../lib/platform.mjs'
import { now } from '../clock.mjs'
import { median, rowsOf, summary } from '../statistics.mjs'

export const name = 'size'
export const title = 'Loading the package in a new process, and locking once with it: ms, and the size of the addon'
export const rounds = { full: 3, quick: 1 }
const EMPTY = 'nobody'
const WHO = [EMPTY, 'leasehold', 'fs-native-extensions', 'lockfile', 'proper-lockfile', 'fs-safe']
const TIMES = 15
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const BINARY = `leasehold.${platformName()}.node`
const LOAD = fileURLToPath(new URL('../runners/load.cjs', import.meta.url))
const ONCE = fileURLToPath(new URL('../runners/once.mjs', import.meta.url))

export async function round({ places, ordered, available }, results) {
  const installed = install(await places[0].newDirectory())
  const times = new Map()
  const who = WHO.filter((each) => available(each))
  // In turns, since starting Node takes ten times as long and is never the same.
  for (let time = 0; time < TIMES; time++) {
    for (const each of ordered(who)) {
      const began = now()
      const load = said(LOAD, each, installed)
      const whole = now() - began
      const once = said(ONCE, each, await places[0].newFile())
      times.set(each, [...(times.get(each) ?? []), { load, whole, once }])
    }
  }
  const middle = (each, what) => median(times.get(each).map((time) => time[what]))
  for (const each of who) {
    const kilobytes = each === 'leasehold' ? statSync(join(ROOT, BINARY)).size / 1000 : undefined
    const added = middle(each, 'whole') - middle(EMPTY, 'whole')
    results.push({ who: each, load: middle(each, 'load'), once: middle(each, 'once'), added, kilobytes })
  }
}

/** The number that `program` prints for `who`. */
function said(program, who, path) {
  try {
    return Number(execFileSync(process.execPath, [program, who, path], { encoding: 'utf8' }))
  } catch (error) {
    throw Object.assign(error, { who })
  }
}

/** Lays the package out as npm does, with its binary in a package of its own. Returns the path to load. */
function install(directory) {
  const copy = (from, ...to) => cpSync(join(ROOT, from), join(directory, 'node_modules', ...to))
  for (const file of ['package.json', 'index.js']) copy(file, 'leasehold', file)
  const binary = `leasehold-${platformName()}`
  copy(join('npm', platformName(), 'package.json'), binary, 'package.json')
  copy(BINARY, binary, BINARY)
  return join(directory, 'node_modules', 'leasehold')
}

export function conclude(results) {
  const others = WHO.filter((who) => who !== EMPTY)
  return rowsOf(results, others, (who, of) => ({
    who,
    'load ms': summary(of('load')),
    'load and lock once ms': summary(of('once')),
    'process lifetime added ms': summary(of('added')),
    'addon kB': who === 'leasehold' ? summary(of('kilobytes')) : undefined,
  }))
}
