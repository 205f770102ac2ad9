// Prints rows of numbers: the median of all rounds, and the smallest and the largest.

/** A number with about three digits. */
export function digits(value) {
  const size = Math.abs(value)
  return value.toFixed(Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

function cell(value) {
  if (value === undefined) return '–'
  if (typeof value !== 'object') return Number.isFinite(value) ? digits(value) : String(value)
  const { median, min, max } = value
  return min === max ? digits(median) : `${digits(median)} (${digits(min)}–${digits(max)})`
}

const isText = (value) => typeof value === 'string'

export function printTable(title, rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))]
  const head = columns.map((column) => (['who', 'work'].includes(column) ? '' : column))
  const isWords = columns.map((column) => rows.every((row) => row[column] === undefined || isText(row[column])))
  const cells = [head, ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  console.log(`\n${title}\n`)
  for (const row of cells) {
    const padded = row.map((text, at) => (isWords[at] ? text.padEnd(widths[at]) : text.padStart(widths[at])))
    console.log(padded.join('   ').trimEnd())
  }
}
