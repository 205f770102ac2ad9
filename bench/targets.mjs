// What leasehold is meant to reach, and whether a run reached it.

import { digits } from './table.mjs'

/** A number of a measure's table: the median of its rounds. */
function figure({ measures }, measure, who, column) {
  return measures[measure]?.rows.find((row) => row.who === who)?.[column]?.median
}

const times = (value) => `${value.toFixed(2)} ×`
const percent = (value) => `${value.toFixed(value < 10 ? 2 : 0)} %`
const ms = (value) => `${value.toFixed(2)} ms`
const us = (value) => `${value.toFixed(value < 1 ? 2 : 1)} µs`
const bytes = (value) => `${Math.round(value)} bytes`
const kilobytes = (value) => `${Math.round(value)} kB`

/**
 * What leasehold should reach in one column of one measure. `beside` names others to be reported with it. Where the
 * column is what leasehold adds to what a process without any lock has, `raw` is what both have: if leasehold is within
 * the target only because of what is subtracted, or misses it where that alone would, the machine was too busy to tell.
 * `margin` is the column that says how far chance may have moved the number.
 */
function target(work, measure, column, { who = 'leasehold', most, least, say, beside = [], raw, margin }) {
  return {
    work,
    measured: (report) => figure(report, measure, who, column),
    most,
    least,
    say,
    isNoisy(report) {
      if (margin) return Math.abs(figure(report, measure, who, column) - most) < figure(report, measure, who, margin)
      const exceeds = (who, column) => figure(report, measure, who, column) > most
      return exceeds(who, raw) && (exceeds('nobody', raw) || !exceeds(who, column))
    },
    beside: (report) => beside.map((other) => [other, figure(report, measure, other, column)]),
  }
}

const uncontended = (work, type, most, kept = '') => {
  const beside = [`calls from Node${kept}`, `engine${kept}`, `sync${kept}`]
  return target(work, 'uncontended', `${type} × floor`, { who: `leasehold${kept}`, most, say: times, beside })
}
const handOver = (tasks) => {
  const work = `hand-over between tasks, ${tasks.toLocaleString('en')} in the queue`
  return target(work, 'queue', `${tasks}: hand-over µs`, { most: 10, say: us, beside: ['withFileLock', 'promises'] })
}
const contention = (work, column, limits) => {
  const beside = ['engine', 'sync', 'flock']
  return target(`2 processes, hold 2 ms, think 1 ms: ${work}`, 'contention', column, { ...limits, beside })
}

const TARGETS = [
  uncontended('acquire + release, ext4', 'ext4', 1.3),
  uncontended('acquire + release, tmpfs', 'tmpfs', 1.5),
  uncontended('the same, lock file kept, ext4', 'ext4', 0.35, ', file kept'),
  uncontended('the same, lock file kept, tmpfs', 'tmpfs', 0.35, ', file kept'),
  contention('acquisitions, relative to flock', '× flock', { least: 0.93, say: times }),
  contention('hand-over, median', 'p50 ms', { most: 0.2, say: ms }),
  contention('hand-over, p99', 'p99 ms', { most: 1.5, say: ms }),
  contention('longest wait, relative to the fair share', '× fair share', { most: 2, say: times }),
  ...[1000, 10_000].map(handOver),
  target('8 processes, zero hold: smallest fraction of a fair share', 'fairness', 'least share', {
    least: 0.5,
    say: times,
    beside: ['engine', 'sync', 'flock'],
  }),
  target('8 processes, hold 2 ms, think 1 ms: smallest fraction of a fair share', 'fairness', 'least share, held', {
    least: 0.5,
    say: times,
    beside: ['engine', 'sync', 'flock'],
  }),
  target('1,000 waiters: delay of fs.readFile, p99', 'waiters', 'p99 added ms', {
    most: 2,
    say: ms,
    raw: 'p99 ms',
  }),
  target('1,000 waiters: additional threads', 'waiters', 'threads added', { most: 2, say: String }),
  target('10,000 leases: share of a core', 'leases', 'CPU % added', { most: 1, say: percent, beside: ['engine'] }),
  target('10,000 leases: memory per lease', 'leases', 'memory each, bytes', {
    most: 1000,
    say: bytes,
    beside: ['engine'],
  }),
  // The same as a delay of 1 ms at p99.9, but it can be added and subtracted.
  target('1,000 acquires/s: events delayed by more than 1 ms', 'delay', 'late % added', {
    most: 0.1,
    say: (value) => `${value.toFixed(3)} %`,
    beside: ['nobody', 'sync', 'OpenClaw rules'],
    margin: 'give or take',
  }),
  target('recovery after SIGKILL, waiter already waiting', 'recovery', 'ms', {
    most: 5,
    say: ms,
    beside: ['engine', 'flock, Node dies'],
  }),
  target('writeJsonFileAtomically, durable, vs. write-file-atomic', 'json', 'durable × write-file-atomic', {
    most: 1,
    say: times,
    beside: ['fs.promises', 'fs.promises, name synced'],
  }),
  target('writeJsonFileAtomically, not durable, vs. write-file-atomic', 'json', 'not durable × write-file-atomic', {
    most: 1,
    say: times,
    beside: ['fs.promises'],
  }),
  target('size of the addon', 'size', 'addon kB', { most: 700, say: kilobytes }),
  target('time to load (require)', 'size', 'load ms', { most: 3, say: ms, beside: ['proper-lockfile'] }),
  {
    work: 'growth of the steepest curve beyond n log n, as an exponent',
    measured: (report) => steepest(report)[0]?.['beyond log n'],
    // An allowance for chance.
    most: 0.1,
    say: (value) => value.toFixed(2),
    isNoisy: () => false,
    beside: (report) => steepest(report).slice(0, 2).map((row) => [row.curve, row['beyond log n']]),
  },
]

/** leasehold's curves, the fastest growing first. */
function steepest({ measures }) {
  const ours = measures.scale?.rows.filter(({ who }) => who === 'leasehold') ?? []
  return ours.toSorted((a, b) => b['beyond log n'] - a['beyond log n'])
}

/** Each target, what `report` says of it, whether that is enough, and what others reach in the same run. */
export function judge(report) {
  return TARGETS.map(({ work, measured, most, least, say, isNoisy, beside }) => {
    const value = measured(report)
    const limit = least ?? most
    const wanted = least === undefined ? `≤ ${say(most)}` : `≥ ${say(least)}`
    if (!Number.isFinite(value)) return { work, target: wanted, measured: '–', verdict: 'not measured', beside: '' }
    const met = least === undefined ? value <= most : value >= least
    const isClose = !met && say(value) === say(limit)
    const others = beside(report).filter(([, other]) => Number.isFinite(other))
    return {
      work,
      target: wanted,
      measured: isClose ? `${say(value)} (${digits(Math.abs(100 * (value / limit - 1)))} % beyond)` : say(value),
      verdict: isNoisy(report) ? 'too noisy to tell' : met ? 'met' : 'missed',
      beside: others.map(([who, other]) => `${who} ${say(other)}`).join(', '),
    }
  })
}
