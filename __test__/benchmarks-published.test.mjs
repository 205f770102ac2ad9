// How `npm run bench` presents its numbers: the verdicts on the targets, the charts, and the page.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { charts } from '../bench/charts/index.mjs'
import { publish, withTables } from '../bench/publish.mjs'
import { exponent, median, overlaps, quantileOfCounts, standardError, summary } from '../bench/statistics.mjs'
import { judge } from '../bench/targets.mjs'

const of = (value) => ({ median: value, min: value / 2, max: value * 2, rounds: [value / 2, value, value * 2] })
const rows = (column, values) => Object.entries(values).map(([who, value]) => ({ who, [column]: of(value) }))

function report(measures) {
  const machine = { cpu: 'a <cpu>', cores: 2, load: 0.1, kernel: 'Linux', node: 'v24.0.0', rustc: 'rustc 1.95' }
  const leftOut = [{ who: 'fs-safe', why: 'not installed' }]
  const all = { date: '2026-01-02', machine, fileSystems: ['ext4'], leftOut, measures }
  return { ...all, targets: judge(all) }
}

const UNCONTENDED = { rounds: 3, rows: rows('ext4 × floor', { files: 1, leasehold: 1.2, 'leasehold, file kept': 0.5, fs: 40 }) }

test('a target is met, missed or not measured, and says what it is about', () => {
  const told = (measures) => new Map(judge({ measures }).map((target) => [target.work, target]))
  const targets = told({
    uncontended: UNCONTENDED,
    contention: { rows: rows('× flock', { leasehold: 0.94, engine: 0.97, flock: 1 }) },
    fairness: { rows: rows('least share', { leasehold: 0.4 }) },
  })
  assert.equal(targets.get('acquire + release, ext4').verdict, 'met')
  assert.equal(targets.get('the same, lock file kept, ext4').verdict, 'missed')
  assert.equal(targets.get('acquire + release, tmpfs').verdict, 'not measured')
  const acquisitions = [...targets.values()].find(({ target }) => target === '≥ 0.93 ×')
  assert.equal(acquisitions.verdict, 'met')
  assert.equal(acquisitions.measured, '0.94 ×')
  assert.equal(acquisitions.beside, 'engine 0.97 ×, flock 1.00 ×')
  assert.equal([...targets.values()].find(({ target }) => target === '≥ 0.50 ×').verdict, 'missed')
})

test('a target that is just missed does not look as if it were met', () => {
  const measures = { uncontended: { rows: rows('tmpfs × floor', { leasehold: 1.504 }) } }
  const { measured, verdict } = judge({ measures }).find(({ work }) => work === 'acquire + release, tmpfs')
  assert.deepEqual([measured, verdict], ['1.50 × (0.267 % beyond)', 'missed'])
})

test('two who had the lock at once are found, whoever else had it', () => {
  const turns = [[0, 20, 30], [0, 0, 10], [0, 10, 20]]
  assert.equal(overlaps(turns), 0)
  assert.equal(overlaps([...turns, [5, 29, 40]]), 1)
})

test('a delay is not judged where the delays of the machine alone decide', () => {
  const verdict = ({ alone, raw, added }) => {
    const ours = { who: 'leasehold', 'p99 ms': of(raw), 'p99 added ms': of(added) }
    const rows = [{ who: 'nobody', 'p99 ms': of(alone) }, ours]
    return judge({ measures: { waiters: { rows } } }).find(({ work }) => work.includes('fs.readFile')).verdict
  }
  assert.equal(verdict({ alone: 0.5, raw: 0.6, added: 0.1 }), 'met')
  assert.equal(verdict({ alone: 4, raw: 0.6, added: -3.4 }), 'met', 'it adds no more than it has')
  assert.equal(verdict({ alone: 0.5, raw: 3, added: 2.5 }), 'missed')
  assert.equal(verdict({ alone: 4, raw: 6.5, added: 2.5 }), 'too noisy to tell')
  assert.equal(verdict({ alone: 0.06, raw: 6, added: -5 }), 'too noisy to tell', 'one stall of nobody hides all of it')
})

test('a share of late events is judged only if chance cannot have decided', () => {
  const verdict = (added, margin) => {
    const rows = [{ who: 'leasehold', 'late % added': of(added), 'give or take': of(margin) }]
    return judge({ measures: { delay: { rows } } }).find(({ work }) => work.includes('1,000 acquires/s')).verdict
  }
  assert.equal(verdict(0.02, 0.05), 'met')
  assert.equal(verdict(0.3, 0.05), 'missed')
  assert.equal(verdict(0.08, 0.05), 'too noisy to tell')
  assert.equal(verdict(0.13, 0.05), 'too noisy to tell')
  assert.equal(verdict(-0.01, 0.5), 'too noisy to tell')
})

test('counts of values have the quantiles of the values', () => {
  const counts = Uint32Array.of(900, 90, 0, 9, 0, 1, 0)
  assert.deepEqual([0.5, 0.9, 0.99, 0.999, 1].map((share) => quantileOfCounts(counts, share)), [0, 0, 1, 3, 5])
})

test('the standard error shrinks with the root of the number of values', () => {
  const values = [1, 3, 2, 6]
  const many = Array.from({ length: 400 }, (_, index) => values[index % 4])
  assert.ok(Math.abs(standardError(values) - Math.sqrt(14 / 3 / 4)) < 1e-12)
  assert.ok(Math.abs(standardError(values) / standardError(many) - Math.sqrt((400 * 399) / 400 / 3)) < 0.01)
})

test('of all curves of leasehold the one that grows most is judged, and nobody else’s', () => {
  const growth = (ours) => {
    const exponents = [['leasehold', -0.1], ['leasehold', ours], ['flock', 2]]
    const rows = exponents.map(([who, beyond]) => ({ who, 'beyond log n': beyond }))
    return judge({ measures: { scale: { rows } } }).find(({ work }) => work.startsWith('growth')).verdict
  }
  assert.equal(growth(0.05), 'met')
  assert.equal(growth(0.9), 'missed')
})

test('the exponent of a curve is that of its power of n', () => {
  const curve = (power) => exponent([1, 10, 100, 1000].map((count) => [count, 7 * count ** power]))
  for (const power of [0, 0.5, 1, 2]) assert.ok(Math.abs(curve(power) - power) < 1e-9)
})

test('a median of an even number of rounds is between the two in the middle', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(summary([undefined, NaN]), undefined)
  assert.deepEqual(summary([2, undefined, 4]), { median: 3, min: 2, max: 4, rounds: [2, 4] })
})

test('a chart has a bar for everybody, as long as the number is large, and names nobody who was not measured', () => {
  const [[name, svg]] = charts(report({ uncontended: UNCONTENDED }))
  assert.equal(name, 'bench-uncontended.svg')
  const bars = [...svg.matchAll(/<rect class="(ours|floor|peer)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"/g)]
  const [floor, ours, kept] = bars.map(([, kind, , , width]) => ({ kind, width: Number(width) }))
  assert.deepEqual(bars.map(([, kind]) => kind), ['floor', 'ours', 'ours'])
  assert.ok(kept.width < floor.width && floor.width < ours.width)
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
  assert.doesNotMatch(svg, /proper-lockfile/)
  assert.match(svg, /a &#60;cpu&#62;/)
})

test('curves go through all points, and only where something was measured', () => {
  const curve = 'turn by processes that ask again at once'
  const row = { who: 'leasehold', curve, exponent: 1, 'n=1': of(10), 'n=4': undefined, 'n=16': of(160) }
  const [[name, svg]] = charts(report({ scale: { rows: [row] } }))
  assert.equal(name, 'bench-scale.svg')
  const [, points] = svg.match(/<polyline class="ours line" points="([^"]+)"/)
  const [[x1, y1], [x2, y2], ...more] = points.split(' ').map((point) => point.split(',').map(Number))
  assert.deepEqual(more, [])
  assert.ok(x2 > x1 && y2 < y1)
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
})

test('a run is published beside the words of the page, which stay', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'leasehold-published-'))
  try {
    const real = await readFile(new URL('../docs/performance.md', import.meta.url), 'utf8')
    const marks = real.match(/^<!-- .*: (written by|end).*-->$/gm)
    assert.equal(marks.length, 4)
    const [first, last, second, end] = marks
    const page = ['before', first, 'an older table', last, second, 'an older table', end, 'after', ''].join('\n')
    await writeFile(join(directory, 'performance.md'), page)
    const calls = { rounds: 1, rows: [{ who: 'assertHeld()', calls: 1, which: 'statx' }] }
    const names = publish(report({ uncontended: UNCONTENDED, calls }), directory)
    assert.deepEqual((await readdir(directory)).sort(), [...names].sort())
    const written = await readFile(join(directory, 'performance.md'), 'utf8')
    assert.match(written, /^before\n/)
    assert.match(written, /\nafter\n$/)
    assert.doesNotMatch(written, /an older table/)
    assert.match(written, /\| acquire \+ release, ext4 \| ≤ 1.30 × \| 1.20 × \| met \|/)
    assert.match(written, /Left out: fs-safe \(not installed\)/)
    const numbers = JSON.parse(await readFile(join(directory, 'benchmarks.json'), 'utf8'))
    assert.deepEqual(numbers.measures.uncontended.rows[1]['ext4 × floor'], { median: 1.2, min: 0.6, max: 2.4 })
    assert.match(written, /1 to 3 rounds/)
    // Without strace, the calls counted earlier stay.
    const without = withTables(written, report({ uncontended: UNCONTENDED }))
    assert.match(without, /\| assertHeld\(\) \| 1 \| statx \|/)
    assert.equal(without.replace('3 to 3', '1 to 3'), written)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
