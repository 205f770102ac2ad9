// Everything at once, for as long as one likes: processes that want a few locks all the time are killed, frozen and
// blocked, and meet stale records, while the ones that are never killed count what they use.
//
//   npm run soak -- [--minutes N] [--seed N]

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine } from '../../bench/machine.mjs'
import { printTable } from '../../bench/table.mjs'
import { random } from '../support/random.mjs'
import { check } from './checker.mjs'
import { Crew } from './crew.mjs'
import { reader } from './history.mjs'
import { leftovers, place } from './places.mjs'
import { staleRecords } from './records.mjs'
import { Scope } from './scope.mjs'

const { values: options } = parseArgs({ options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
const minutes = Number(options.minutes ?? 10)
const seed = Number(options.seed ?? Date.now() % 1_000_000)

const LEASE = { timeoutMs: 60_000, leaseMs: 600 }
/** Three leases: longer than anybody waits for a frozen holder. */
const LONG = 1800
/** After this long everybody stops for a moment, and the history is checked. */
const SEGMENT = Math.min(30_000, (minutes * 60_000) / 4)
const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']
const MIB = 1024 * 1024
/** A heap that has grown by more than this has a leak: it is measured after garbage collection. */
const GROWTH = 8 * MIB

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

async function soak(scope) {
  const chance = random(seed)
  const { directory, history } = place(scope)
  const crew = new Crew(scope, history)
  const next = reader(history)
  const paths = [0, 1, 2].map((index) => join(directory, `file-${index}`))
  const records = Object.values(await staleRecords(scope))
  const apart = spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true']).status === 0 ? UNSHARE : []
  const throughs = [[], apart, []]
  const stayers = await crew.hireAll(3, { nodeArgs: ['--expose-gc'] })
  const others = await Promise.all(throughs.map((through) => crew.hire({ through })))
  const done = { kills: 0, 'short freezes': 0, 'long freezes': 0, 'blocked loops': 0, 'stale records': 0 }
  const problems = []
  const totals = { holds: 0, losses: 0, longestWaitMs: 0 }

  const order = (tasks) => ({ seed: chance(1 << 30), paths, tasks, longest: 4, think: 3, options: LEASE })
  const strives = (member, tasks) => member.do('strive', order(tasks), { timeoutMs: 0x7fffffff }).catch(() => {})

  const troubles = [
    async function kill() {
      const index = chance(others.length)
      await crew.kill(others[index])
      others[index] = await crew.hire({ through: throughs[index] })
      void strives(others[index], 1)
      done.kills += 1
    },
    async function freeze() {
      // Not the one in a namespace of its own: only its parent could be reached.
      const members = [...stayers, ...others.filter((_, index) => throughs[index].length === 0)]
      const member = members[chance(members.length)]
      const isLong = chance(5) === 0
      crew.note('freeze', member)
      process.kill(member.pid, 'SIGSTOP')
      await pause(isLong ? LONG : chance(80))
      crew.note('thaw', member)
      process.kill(member.pid, 'SIGCONT')
      done[isLong ? 'long freezes' : 'short freezes'] += 1
    },
    async function block() {
      const attempt = { path: paths[chance(paths.length)], block: 800, options: LEASE }
      await stayers[chance(stayers.length)].do('attempt', attempt)
      done['blocked loops'] += 1
    },
    async function meet() {
      const path = join(directory, `stale-${done['stale records']}`)
      records[chance(records.length)].plant(`${path}.lock`)
      await Promise.all(stayers.map((member) => member.do('attempt', { path, options: LEASE })))
      if (existsSync(`${path}.lock`)) problems.push(`${path}.lock is still there`)
      done['stale records'] += 1
    },
  ]

  async function segment(ms) {
    const finished = [...stayers.map((member) => strives(member, 3)), ...others.map((member) => strives(member, 1))]
    for (const end = performance.now() + ms; performance.now() < end; ) {
      await pause(chance(100))
      await troubles[chance(troubles.length)]()
    }
    const all = [...stayers, ...others]
    await Promise.all(all.map((member) => member.do('stop')))
    await Promise.all(finished)
    await Promise.all(all.map((member) => member.do('quiet')))
    const { problems: found, counts } = check(next())
    problems.push(...found, ...leftovers(directory).map((name) => `left behind: ${name}`))
    totals.holds += counts.holds
    totals.losses += counts.losses
    totals.longestWaitMs = Math.max(totals.longestWaitMs, counts.longestWaitMs)
    return Promise.all(stayers.map((member) => member.do('usage')))
  }

  // The first segment does not count: caches fill, code is compiled.
  const before = await segment(SEGMENT)
  let after = before
  for (const end = performance.now() + minutes * 60_000; performance.now() < end; ) {
    after = await segment(Math.min(SEGMENT, Math.max(1000, end - performance.now())))
    console.log(`${new Date().toISOString()}  ${totals.holds} acquisitions, ${problems.length} problems`)
  }
  const rows = stayers.map(({ name }, index) => {
    const was = before[index]
    const is = after[index]
    for (const what of ['descriptors', 'threads']) {
      if (is[what] > was[what]) problems.push(`${name} has ${is[what]} ${what} instead of ${was[what]}`)
    }
    const grown = is.heapUsed + is.external - was.heapUsed - was.external
    if (grown > GROWTH) problems.push(`the heap of ${name} grew by ${(grown / MIB).toFixed(1)} MiB`)
    const digits = (unit) => (unit > 1 ? 1 : 0)
    const span = (what, unit = 1) => [was, is].map((then) => (then[what] / unit).toFixed(digits(unit))).join(' → ')
    return {
      who: name,
      descriptors: span('descriptors'),
      threads: span('threads'),
      'resident MiB': span('rss', MIB),
      'heap MiB': span('heapUsed', MIB),
    }
  })
  const summary = {
    who: `${minutes} minutes`,
    acquisitions: totals.holds,
    ...done,
    'losses reported': totals.losses,
    'longest wait ms': totals.longestWaitMs.toFixed(0),
    problems: problems.length,
  }
  return { summary, rows, problems }
}

const { packages, ...rest } = machine()
console.log(Object.entries({ ...rest, ...packages, seed }).map(([key, value]) => `${key}: ${value}`).join('\n'))
const { summary, rows, problems } = await Scope.during(soak)
printTable('What was done', [summary])
printTable('Resources of the processes that were never killed, at the start and the end', rows)
if (problems.length > 0) {
  process.exitCode = 1
  console.log(`\nFAILED ${problems.length} times; to repeat: npm run soak -- --minutes ${minutes} --seed ${seed}`)
  for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`)
}
