// Curves on logarithmic scales, in small charts side by side.

import { MARGIN, WIDTH, dot, line, path, picture, scale, short, text } from './svg.mjs'

const TOP = 56
const COLUMNS = 3
const GAP = 30
const LEFT = 44
const PLOT = 170
/** Of one chart with its title and the numbers below it. */
const HEIGHT = PLOT + 92

/** `charts` have a `title`, what `x` counts, and `curves` with a `label`, a `kind` and `points`, pairs of numbers. */
export function curves({ title, charts, notes }) {
  const width = (WIDTH - 2 * MARGIN - GAP * (COLUMNS - 1)) / COLUMNS
  const parts = charts.flatMap((chart, index) => {
    const left = MARGIN + (index % COLUMNS) * (width + GAP)
    return draw(chart, left, TOP + Math.floor(index / COLUMNS) * HEIGHT, width)
  })
  const height = TOP + Math.ceil(charts.length / COLUMNS) * HEIGHT + 12 + 16 * notes.length
  const description = charts.map((chart) => `${chart.title}: ${chart.curves.map(describe).join('; ')}.`).join(' ')
  return picture({ title, description, height, parts, notes })
}

function describe({ label, points }) {
  return `${label} ${points.map(([count, value]) => `${short(value)} with ${short(count)}`).join(', ')}`
}

function draw({ title, x, unit, curves }, left, top, width) {
  const [plotLeft, plotTop, plotRight, plotBottom] = [left + LEFT, top + 46, left + width - 6, top + 46 + PLOT]
  const points = curves.flatMap((curve) => curve.points)
  const counts = points.map(([count]) => count)
  const across = scale({ log: true, values: counts, from: plotLeft, to: plotRight })
  const upwards = scale({ log: true, values: points.map(([, value]) => value), from: plotBottom, to: plotTop })
  const grid = [
    ...across.ticks.map((tick) => {
      const at = across.at(tick)
      return line('grid', at, plotTop, at, plotBottom) + text(at, plotBottom + 16, short(tick), 'small', 'middle')
    }),
    ...upwards.ticks.map((tick) => {
      const at = upwards.at(tick)
      return line('grid', plotLeft, at, plotRight, at) + text(plotLeft - 6, at + 4, short(tick), 'small', 'end')
    }),
  ]
  let legend = plotLeft
  const drawn = curves.map(({ label, kind, points }) => {
    const name = dot(kind, legend + 3, top + 28) + text(legend + 11, top + 32, label, 'small')
    legend += 26 + 6.4 * label.length
    return path(kind, points.map(([count, value]) => [across.at(count), upwards.at(value)])) + name
  })
  const below = text((plotLeft + plotRight) / 2, plotBottom + 32, x, 'small', 'middle')
  return [text(left, top + 14, `${title}, ${unit}`, 'head'), ...grid, ...drawn, below]
}
