// Bars: several numbers of each contestant, side by side.

import { MARGIN, WIDTH, bar, line, picture, scale, short, text } from './svg.mjs'

const LABELS = 170
const TOP = 92
const ROW = 22
/** Between two panels; the value of the longest bar is written there. */
const GAP = 58

/**
 * `panels` have a `title`, whether they are `log`, and perhaps a `target`; `rows` a `label`, a `kind` (ours, floor or
 * peer) and `values`, one for each panel or `undefined`.
 */
export function bars({ title, panels, rows, notes }) {
  const width = (WIDTH - 2 * MARGIN - LABELS - GAP * panels.length) / panels.length
  const bottom = TOP + rows.length * ROW
  const parts = rows.map(({ label, kind }, row) => {
    return text(MARGIN + LABELS - 10, TOP + row * ROW + 15, label, kind === 'ours' ? 'own' : '', 'end')
  })
  for (const [index, panel] of panels.entries()) {
    const left = MARGIN + LABELS + index * (width + GAP)
    const values = rows.map((row) => row.values[index])
    const known = values.filter((value) => value > 0)
    // So that the smallest value has a bar, too.
    const seen = [...known, Math.min(...known) * 0.9, panel.target ?? known[0]]
    const { at, ticks } = scale({ log: panel.log, values: seen, from: left, to: left + width })
    const above = []
    parts.push(text(left, TOP - 34, panel.title, 'head'))
    for (const tick of ticks) {
      parts.push(line('grid', at(tick), TOP - 8, at(tick), bottom))
      parts.push(text(at(tick), TOP - 14, short(tick), 'small', 'middle'))
    }
    for (const [row, value] of values.entries()) {
      const top = TOP + row * ROW
      if (value === undefined) {
        above.push(text(left + 5, top + 14, '–', 'small'))
        continue
      }
      // Zero has no place on a logarithmic scale: its bar ends where the scale begins.
      const end = value > 0 ? at(value) : left
      const { kind } = rows[row]
      parts.push(bar(kind, left, top + 4, end - left, 13))
      above.push(text(end + 5, top + 14, short(value), kind === 'ours' ? 'value own' : 'value'))
    }
    if (panel.target !== undefined) {
      parts.push(line('limit', at(panel.target), TOP - 8, at(panel.target), bottom + 4))
      parts.push(text(at(panel.target), bottom + 17, `target ${short(panel.target)}`, 'small', 'middle'))
    }
    parts.push(...above)
  }
  const description = rows.map(({ label, values }) => {
    const said = values.flatMap((value, at) => (value === undefined ? [] : [`${panels[at].title} ${short(value)}`]))
    return `${label}: ${said.join(', ')}.`
  })
  const height = bottom + 36 + 16 * notes.length
  return picture({ title, description: description.join(' '), height, parts, notes })
}
