// What all charts share: text, colours for light and dark pages, scales.

export const WIDTH = 940
export const MARGIN = 20

const LIGHT = {
  page: '#ffffff',
  ink: '#1f2328',
  faint: '#59636e',
  grid: '#d1d9e0',
  ours: '#1a7f37',
  floor: '#0969da',
  peer: '#8c959f',
  limit: '#bc4c00',
}
const DARK = {
  page: '#0d1117',
  ink: '#f0f6fc',
  faint: '#9198a1',
  grid: '#3d444d',
  ours: '#3fb950',
  floor: '#58a6ff',
  peer: '#7d8590',
  limit: '#f0883e',
}

/** Text has an outline in the colour of the page, which separates it from the lines behind. */
const colours = ({ page, ink, faint, grid, ours, floor, peer, limit }) => `
    .page { fill: ${page} }
    text { fill: ${ink}; stroke: ${page} }
    .small { fill: ${faint} }
    .grid { stroke: ${grid} }
    .ours { fill: ${ours}; stroke: ${ours} }
    .floor { fill: ${floor}; stroke: ${floor} }
    .peer { fill: ${peer}; stroke: ${peer} }
    .limit { stroke: ${limit} }`

const STYLE = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
    text { paint-order: stroke; stroke-width: 3px }
    .title { font-size: 17px; font-weight: 600 }
    .head { font-weight: 600 }
    .small, .value { font-size: 11px }
    .own { font-weight: 600 }
    rect { stroke-width: 0 }
    .line { fill: none; stroke-width: 2 }
    .limit { stroke-dasharray: 4 3; stroke-width: 1.5 }${colours(LIGHT)}
    .line { fill: none }
    @media (prefers-color-scheme: dark) {${colours(DARK).replaceAll('\n', '\n  ')}
      .line { fill: none }
    }`

const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
const round = (value) => Math.round(value * 10) / 10

export function text(left, top, words, classes = '', anchor = 'start') {
  const place = `x="${round(left)}" y="${round(top)}"`
  return `<text ${place} class="${classes}" text-anchor="${anchor}">${escape(words)}</text>`
}

export function line(classes, x1, y1, x2, y2) {
  return `<line class="${classes}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

export function bar(classes, left, top, width, height) {
  const size = `width="${round(Math.max(2, width))}" height="${height}"`
  return `<rect class="${classes}" x="${round(left)}" y="${round(top)}" ${size}/>`
}

export const dot = (classes, x, y) => `<circle class="${classes}" cx="${round(x)}" cy="${round(y)}" r="3"/>`

export function path(classes, points) {
  const steps = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ')
  return `<polyline class="${classes} line" points="${steps}"/>${points.map(([x, y]) => dot(classes, x, y)).join('')}`
}

/** A number with as many digits as a chart has room for. */
export function short(value) {
  const size = Math.abs(value)
  if (size >= 1e6) return `${short(value / 1e6)} M`
  if (size >= 10_000) return `${short(value / 1000)} k`
  if (size >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(2)))
}

/** Where a value is between `from` and `to`, and the values to draw lines at. */
export function scale({ log, values, from, to }) {
  const highest = Math.max(...values)
  if (!log) {
    const step = niceStep(highest)
    const last = Math.ceil(highest / step) * step
    const ticks = Array.from({ length: Math.round(last / step) + 1 }, (_, at) => at * step)
    return { at: (value) => from + ((to - from) * value) / last, ticks }
  }
  const first = Math.floor(Math.log10(Math.min(...values)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(highest)))
  // A label at every power of ten, or at every second one if there are many.
  const every = last - first > 5 ? 2 : 1
  const powers = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  const ticks = powers.filter((power) => (power - first) % every === 0).map((power) => Number(`1e${power}`))
  return { at: (value) => from + ((to - from) * (Math.log10(value) - first)) / (last - first), ticks }
}

function niceStep(highest) {
  const power = 10 ** Math.floor(Math.log10(highest))
  return [0.5, 1, 2.5].map((factor) => factor * power).find((step) => highest / step <= 4) ?? 5 * power
}

/** The whole picture around its `parts`. */
export function picture({ title, description, height, parts, notes }) {
  const lines = notes.map((words, index) => text(MARGIN, height - 14 - 16 * (notes.length - 1 - index), words, 'small'))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t d">
  <title id="t">${escape(title)}</title>
  <desc id="d">${escape(description)}</desc>
  <style>${STYLE}
  </style>
  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>
  ${text(MARGIN, 30, title, 'title')}
  ${[...parts, ...lines].join('\n  ')}
</svg>
`
}
