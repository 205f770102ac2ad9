/** A measured time, in words. */
export function duration(milliseconds) {
  if (Number.isNaN(milliseconds)) return 'never'
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`
  return `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`
}

/** A time that somebody chose, in words: `30 min`, `1 to 61 s`, `within 10 s`. */
export function span({ least, most }) {
  const [unit, name] = most >= 120_000 ? [60_000, 'min'] : [1000, 's']
  if (least === 0) return `within ${most / unit} ${name}`
  return least === most ? `${most / unit} ${name}` : `${least / unit} to ${most / unit} ${name}`
}
