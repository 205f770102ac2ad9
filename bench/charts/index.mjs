// The charts of a report: file names, and their contents.

import { bars } from './bars.mjs'
import { curves } from './curves.mjs'

/** leasehold's names, and those of the floors; everybody else is a peer. */
const OURS = ['leasehold', 'leasehold, file kept', 'withFileLock', 'sync', 'sync, file kept']
const FLOORS = ['files', 'calls', 'calls, file kept', 'flock', 'flock, Node dies', 'nobody', 'promises']
const ENGINE = /^engine/

function kindOf(who) {
  if (OURS.includes(who) || ENGINE.test(who)) return 'ours'
  return FLOORS.includes(who) ? 'floor' : 'peer'
}

const LABELS = {
  files: 'open, write, close, unlink',
  calls: 'our system calls',
  'calls, file kept': 'same, file kept',
  flock: 'flock, blocking',
  engine: 'engine, from Rust',
  'engine, file kept': 'same, file kept',
  leasehold: 'acquireFileLock',
  'leasehold, file kept': 'same, file kept',
  sync: 'acquireFileLockSync',
  'sync, file kept': 'same, file kept',
}

/** One row for each of `who` that was measured, with a value for each of `columns`. */
function rowsOf({ rows }, who, columns, labels = LABELS) {
  const measured = who.map((name) => rows.find((row) => row.who === name)).filter(Boolean)
  return measured.map((row) => ({
    label: labels[row.who] ?? row.who,
    kind: kindOf(row.who),
    values: columns.map((column) => row[column]?.median),
  }))
}

const UNCONTENDED = [
  ...['files', 'calls', 'calls, file kept', 'engine', 'engine, file kept', 'leasehold', 'leasehold, file kept'],
  ...['withFileLock', 'sync', 'sync, file kept', 'fs.*Sync', 'fs.promises', 'fs-native-extensions', 'lockfile'],
  ...['OpenClaw rules', 'proper-lockfile', 'fs-safe'],
]

function uncontended(measure, notes) {
  const types = ['ext4', 'tmpfs'].filter((type) => measure.rows.some((row) => row[`${type} × floor`]))
  const targets = { ext4: 1.3, tmpfs: 1.5 }
  return bars({
    title: 'One acquire and release, without contention',
    panels: types.map((type) => ({ title: `${type}: times the floor`, log: true, target: targets[type] })),
    rows: rowsOf(measure, UNCONTENDED, types.map((type) => `${type} × floor`)),
    notes: [
      'Floor: open(O_EXCL), write, close and unlink in Rust. The scale is logarithmic.',
      'fs-native-extensions locks an open file and has no lock file; the target is for acquireFileLock.',
      ...notes,
    ],
  })
}

const CONTENTION = ['flock', 'engine', 'leasehold', 'withFileLock', 'sync', 'fs-native-extensions', 'lockfile']

function contention(measure, notes) {
  return bars({
    title: 'Two processes contend for one lock (hold 2 ms, think 1 ms)',
    panels: [
      { title: 'acquisitions per second', log: false },
      { title: 'hand-over, median, ms', log: true, target: 0.2 },
      { title: 'hand-over, p99, ms', log: true, target: 1.5 },
    ],
    rows: rowsOf(
      measure,
      [...CONTENTION, 'OpenClaw rules', 'proper-lockfile', 'fs-safe'],
      ['acq./s', 'p50 ms', 'p99 ms'],
    ),
    notes: ['Hand-over: from just before the release until the waiting process has the lock.', ...notes],
  })
}

function waiting(measure, notes) {
  const who = ['nobody', 'leasehold', 'fs-native-extensions', 'lockfile', 'OpenClaw rules', 'proper-lockfile']
  return bars({
    title: '1,000 tasks of one process wait for 1,000 locks held by another',
    panels: [
      { title: 'fs.readFile, p99, ms', log: true },
      { title: 'additional threads', log: true },
      { title: 'CPU, % of a core', log: false },
    ],
    rows: rowsOf(measure, who, ['p99 ms', 'threads added', 'CPU %'], { nobody: 'nobody waits' }),
    notes: ['Meanwhile the process keeps reading a small file; “nobody waits” does nothing else.', ...notes],
  })
}

function recovery(measure, notes) {
  const who = ['flock', 'engine', 'flock, Node dies', 'engine, Node dies', 'leasehold', 'sync', 'fs-native-extensions']
  const labels = { flock: 'flock, small process', 'flock, Node dies': 'flock, Node dies' }
  return bars({
    title: 'From SIGKILL of the holder until a waiting process has the lock',
    panels: [{ title: 'milliseconds', log: true, target: 5 }],
    rows: rowsOf(measure, [...who, 'OpenClaw rules', 'proper-lockfile'], ['ms'], { ...LABELS, ...labels }),
    notes: [
      'In the first two a small process dies; in the others Node, which takes the kernel milliseconds to tear down.',
      'The target is for acquireFileLock. npm’s lockfile never recovers, and is not shown.',
      ...notes,
    ],
  })
}

const SCALES = {
  'hand-over by tasks in the queue': { title: 'Hand-over', x: 'tasks in the queue' },
  'acquire + release by locks held': { title: 'Acquire + release', x: 'locks held by the process' },
  'acquire + release by files in the directory': { title: 'Acquire + release', x: 'files in the directory' },
  'turn by processes that ask once, together': { title: 'Turn', x: 'processes that want the lock once' },
  'turn by processes that hold it for 2 ms': { title: 'Turn of 2 ms', x: 'processes that want the lock' },
  'turn by processes that ask again at once': { title: 'Turn', x: 'processes that want the lock all the time' },
  'waiting by locks waited for': { title: 'A second of waiting', x: 'locks waited for by the process' },
}

function scaling({ rows }, notes) {
  const charts = Object.entries(SCALES).map(([curve, { title, x }]) => ({
    title,
    x,
    unit: 'µs',
    curves: rows
      .filter((row) => row.curve === curve)
      .map((row) => ({ label: row.who, kind: row.who === 'engine' ? 'peer' : kindOf(row.who), points: pointsOf(row) })),
  }))
  return curves({
    title: 'How the cost of one operation scales',
    charts: charts.filter((chart) => chart.curves.length > 0),
    notes: ['Both scales are logarithmic; level means constant. A second of waiting: CPU time per lock.', ...notes],
  })
}

function pointsOf(row) {
  const columns = Object.entries(row).filter(([column, value]) => column.startsWith('n=') && value)
  return columns.map(([column, { median }]) => [Number(column.slice(2)), median])
}

const CHARTS = { uncontended, contention, waiters: waiting, recovery, scale: scaling }

/** The name and text of each chart that `report` has numbers for. */
export function charts({ machine, date, measures }) {
  const where = `${date}: ${machine.cores} × ${machine.cpu}, ${machine.kernel}, Node ${machine.node}. Medians.`
  return Object.entries(CHARTS)
    .filter(([name]) => measures[name])
    .map(([name, chart]) => [`bench-${name}.svg`, chart(measures[name], [where])])
}
