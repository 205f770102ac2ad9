// Prints rows of numbers: the median of all rounds, and the smallest and the largest.

function digits(value) {
  const size = Math.abs(value)
  return value.toFixed(Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)
}

function cell(value) {
  if (value === undefined) return '–'
  if (typeof value !== 'object') return Number.isFinite(value) ? digits(value) : String(value)
  const { median, min, max } = value
  return min === max ? digits(median) : `${digits(median)} (${digits(min)}–${digits(max)})`
}

export function printTable(title, rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))]
  const head = columns.map((column) => (column === 'who' ? '' : column))
  const cells = [head, ...rows.map((row) => columns.map((column) => cell(row[column])))]
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => row[column].length)))
  console.log(`\n${title}\n`)
  for (const [who, ...numbers] of cells) {
    const padded = numbers.map((text, column) => text.padStart(widths[column + 1]))
    console.log([who.padEnd(widths[0]), ...padded].join('   '))
  }
}
