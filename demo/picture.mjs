// The table as a picture: bars on a logarithmic scale, readable on light and dark screens.

import { PATIENCE, VERSION, openclaw } from './openclaw.mjs'
import { duration, span } from './words.mjs'

const TITLE = 'How long the next process waits for a leaked lock'

const WIDTH = 940
const LEFT = 360
const RIGHT = 840
const TOP = 112
const ROW = 50
/** The scale: from a tenth of a millisecond to an hour. */
const [FIRST, LAST] = [0.1, 3_600_000]
const TICKS = [
  [0.1, '0.1 ms'],
  [1, '1 ms'],
  [10, '10 ms'],
  [100, '0.1 s'],
  [1000, '1 s'],
  [10_000, '10 s'],
  [60_000, '1 min'],
  [600_000, '10 min'],
  [3_600_000, '1 h'],
]

const LIGHT = {
  page: '#ffffff',
  ink: '#1f2328',
  faint: '#59636e',
  grid: '#d1d9e0',
  leasehold: '#1a7f37',
  session: '#bc4c00',
  file: '#6e7781',
}
const DARK = {
  page: '#0d1117',
  ink: '#f0f6fc',
  faint: '#9198a1',
  grid: '#3d444d',
  leasehold: '#3fb950',
  session: '#f0883e',
  file: '#9198a1',
}

/** Text has an outline in the colour of the page, which separates it from the lines behind. */
const colours = ({ page, ink, faint, grid, leasehold, session, file }) => `
    .page { fill: ${page} }
    text { fill: ${ink}; stroke: ${page} }
    .small { fill: ${faint} }
    .grid { stroke: ${grid} }
    .leasehold { fill: ${leasehold} }
    .session { fill: ${session} }
    .file { fill: ${file} }
    .limit { stroke: ${session} }`

const STYLE = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
    text { paint-order: stroke; stroke-width: 3px }
    .title { font-size: 17px; font-weight: 600 }
    .small, .measured { font-size: 11px }
    .measured { font-weight: 600 }
    .limit { stroke-dasharray: 3 3 }
    .upto { opacity: 0.45 }${colours(LIGHT)}
    @media (prefers-color-scheme: dark) {${colours(DARK).replaceAll('\n', '\n  ')}
    }`

const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

function x(milliseconds) {
  const share = Math.log(Math.max(milliseconds, FIRST) / FIRST) / Math.log(LAST / FIRST)
  return Math.round(LEFT + share * (RIGHT - LEFT))
}

const text = (left, top, words, more = '') => `<text x="${left}" y="${top}"${more}>${escape(words)}</text>`
const bar = (kind, from, to, top) => {
  return `<rect class="${kind}" x="${x(from)}" y="${top}" width="${Math.max(2, x(to) - x(from))}" height="11"/>`
}

/** Solid up to the least that it lasts, faint up to the most. */
function documented(kind, { least, most }, top) {
  const certain = least > 0 ? bar(kind, FIRST, least, top) : ''
  const possible = most > least ? bar(`${kind} upto`, least, most, top) : ''
  return certain + possible + text(x(most) + 6, top + 10, span({ least, most }), ' class="small"')
}

function measured(waited, top) {
  return bar('leasehold', FIRST, waited, top) + text(x(waited) + 6, top + 10, duration(waited), ' class="measured"')
}

/** The scene with the longest wait of each row. */
function longest(outcomes) {
  const rows = new Map()
  for (const outcome of outcomes) {
    const { row } = outcome.scene
    if (!(rows.get(row)?.waited > outcome.waited)) rows.set(row, outcome)
  }
  return [...rows.values()]
}

function legend() {
  const entries = [
    ['leasehold', 'leasehold, measured', 0],
    ['session', `OpenClaw ${VERSION} session lock`, 170],
    ['file', `OpenClaw ${VERSION} file lock`, 420],
  ]
  return entries.map(([kind, words, left]) => {
    return `<rect class="${kind}" x="${20 + left}" y="48" width="11" height="11"/>${text(37 + left, 58, words)}`
  })
}

function scale(bottom) {
  const lines = TICKS.map(([milliseconds, words]) => {
    const at = x(milliseconds)
    const line = `<line class="grid" x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${bottom}"/>`
    return line + text(at, TOP - 14, words, ' class="small" text-anchor="middle"')
  })
  const at = x(PATIENCE)
  const limit = `<line class="limit" x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${bottom + 4}"/>`
  const words = `callers of OpenClaw's session lock fail after ${PATIENCE / 1000} s`
  return [...lines, limit, text(at, bottom + 18, words, ' class="small" text-anchor="middle"')]
}

function describe(outcomes) {
  const rows = outcomes.map(({ scene, waited }) => {
    const { session, file } = openclaw(scene)
    const others = `OpenClaw session lock ${span(session)}, file lock ${span(file)}`
    return `Row ${scene.row}, ${scene.title}: leasehold ${duration(waited)}, ${others}.`
  })
  return `Bars on a logarithmic scale. ${rows.join(' ')}`
}

/** The picture: the longest wait of each row, beside what is documented of OpenClaw. */
export function picture(outcomes, where) {
  const rows = longest(outcomes)
  const bottom = TOP + rows.length * ROW
  const bars = rows.map(({ scene, waited }, index) => {
    const top = TOP + index * ROW
    const { session, file } = openclaw(scene)
    return `
  <g>
    ${text(42, top + 22, `${scene.row}`, ' text-anchor="end"')}${text(54, top + 22, scene.title)}
    ${measured(waited, top)}
    ${documented('session', session, top + 13)}
    ${documented('file', file, top + 26)}
  </g>`
  })
  const notes = [
    `leasehold: measured on ${where}; the longest wait of each row.`,
    'With the defaults of maxHoldMs and leaseMs, rows 5 and 7 take 5 minutes and row 11 takes 34 s.',
    'OpenClaw: taken from its source, not measured here. Solid: at least; faint: at most.',
  ]
  const height = bottom + 92
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d">
  <title id="t">${TITLE}</title>
  <desc id="d">${escape(describe(rows))}</desc>
  <style>${STYLE}
  </style>
  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>
  ${text(20, 30, TITLE, ' class="title"')}
  ${legend().join('\n  ')}
  ${scale(bottom).join('\n  ')}${bars.join('')}
  ${notes.map((words, index) => text(20, bottom + 44 + 16 * index, words, ' class="small"')).join('\n  ')}
</svg>
`
}
