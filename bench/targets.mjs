// What was set out to be reached, and whether a run reached it.

/** A number of a measure's table: the median of its rounds. */
function figure({ measures }, measure, who, column) {
  const row = measures[measure]?.rows.find((each) => each.who === who)
  return row?.[column]?.median
}

const times = (value) => `${value.toFixed(2)} ×`
const percent = (value) => `${value.toFixed(value < 10 ? 2 : 0)} %`
const ms = (value) => `${value.toFixed(2)} ms`
const us = (value) => `${value.toFixed(1)} µs`

const uncontended = (work, type, who, most) => ({
  work,
  measured: (report) => figure(report, 'uncontended', who, `${type} × floor`),
  most,
  say: times,
})
const contended = (work, column, rest) => ({
  work: `two processes, hold 2 ms, think 1 ms: ${work}`,
  measured: (report) => figure(report, 'contention', 'leasehold', column),
  ...rest,
})

/** What is measured, and at most or at least how much it should be. */
export const TARGETS = [
  uncontended('acquire + release, ext4', 'ext4', 'leasehold', 1.3),
  uncontended('acquire + release, tmpfs', 'tmpfs', 'leasehold', 1.5),
  uncontended('the same with the lock file kept, ext4', 'ext4', 'leasehold, file kept', 0.35),
  uncontended('the same with the lock file kept, tmpfs', 'tmpfs', 'leasehold, file kept', 0.35),
  contended('acquisitions, of flock’s in C-shape', '× flock', { least: 0.93, say: times }),
  contended('hand-over, median', 'p50 ms', { most: 0.2, say: ms }),
  contended('hand-over, p99', 'p99 ms', { most: 1.5, say: ms }),
  contended('longest wait, of the fair share', '× fair share', { most: 2, say: times }),
  {
    work: 'hand-over between tasks of one process, 1,000 in the queue',
    measured: (report) => figure(report, 'queue', 'leasehold', '1000: hand-over µs'),
    most: 10,
    say: us,
  },
  {
    work: 'the same with 10,000, of that with 1,000',
    measured: (report) =>
      figure(report, 'queue', 'leasehold', '10000: hand-over µs') /
      figure(report, 'queue', 'leasehold', '1000: hand-over µs'),
    most: 2,
    say: times,
  },
  {
    work: '8 processes, zero hold: the least that one gets of its fair share',
    measured: (report) => figure(report, 'fairness', 'leasehold', 'least share'),
    least: 0.5,
    say: times,
  },
  {
    work: '1,000 waiters on 1,000 files: `fs.readFile` delayed, p99',
    measured: (report) => figure(report, 'waiters', 'leasehold', 'p99 added ms'),
    most: 2,
    say: ms,
  },
  {
    work: '1,000 waiters on 1,000 files: threads more',
    measured: (report) => figure(report, 'waiters', 'leasehold', 'threads added'),
    most: 2,
    say: String,
  },
  {
    work: '10,000 held leases: of a core',
    measured: (report) => figure(report, 'leases', 'leasehold', 'CPU % added'),
    most: 1,
    say: percent,
  },
  {
    work: '10,000 held leases: memory each',
    measured: (report) => figure(report, 'leases', 'leasehold', 'memory each, bytes'),
    most: 1000,
    say: (value) => `${Math.round(value)} bytes`,
  },
  {
    work: '1,000 acquires/s: event-loop delay added, p99.9',
    measured: (report) => figure(report, 'delay', 'leasehold', 'p99.9 added ms'),
    most: 1,
    say: ms,
  },
  {
    work: 'recovery after SIGKILL, waiter already waiting',
    measured: (report) => figure(report, 'recovery', 'leasehold', 'ms'),
    most: 5,
    say: ms,
  },
  {
    work: '`writeJsonFileAtomically`, 10 kB, durable, of write-file-atomic',
    measured: (report) => figure(report, 'json', 'leasehold', 'durable × write-file-atomic'),
    most: 1,
    say: times,
  },
  {
    work: '`writeJsonFileAtomically`, 10 kB, not durable, of write-file-atomic',
    measured: (report) => figure(report, 'json', 'leasehold', 'not durable × write-file-atomic'),
    most: 1,
    say: times,
  },
  {
    work: 'addon',
    measured: (report) => figure(report, 'size', 'leasehold', 'addon kB'),
    most: 700,
    say: (value) => `${Math.round(value)} kB`,
  },
  {
    work: '`require`',
    measured: (report) => figure(report, 'size', 'leasehold', 'load ms'),
    most: 3,
    say: ms,
  },
  {
    work: 'nothing worse than n log n: the steepest curve’s exponent for one of n',
    measured: ({ measures }) => {
      const ours = measures.scale?.rows.filter(({ who }) => who === 'leasehold') ?? []
      return ours.length > 0 ? Math.max(...ours.map(({ exponent }) => exponent)) : undefined
    },
    most: 0.25,
    say: (value) => value.toFixed(2),
  },
]

/** Each target, what `report` says of it, and whether that is enough. */
export function judge(report) {
  return TARGETS.map(({ work, measured, most, least, say }) => {
    const value = measured(report)
    const target = least === undefined ? `≤ ${say(most)}` : `≥ ${say(least)}`
    if (!Number.isFinite(value)) return { who: work, target, measured: '–', verdict: 'not measured' }
    const met = least === undefined ? value <= most : value >= least
    return { who: work, target, measured: say(value), verdict: met ? 'met' : 'missed' }
  })
}
