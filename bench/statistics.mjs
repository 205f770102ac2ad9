/** The value below which a share of all values lies. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

export const sum = (values) => values.reduce((total, value) => total + value, 0)
export const mean = (values) => sum(values) / values.length

/** The summary of one number that was measured in several rounds; `undefined` if it was not measured. */
export function summary(all) {
  const rounds = all.filter(Number.isFinite)
  if (rounds.length === 0) return undefined
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds }
}

/** Each round as a multiple of the floor in that round: a noisy moment hits both. */
export function ratio(rounds, floor) {
  return summary(rounds.map((value, round) => value / floor[round]))
}

/** By how much each round exceeds the base in that round. */
export function difference(rounds, base) {
  return summary(rounds.map((value, round) => value - base[round]))
}

/** The values of `field` in those results that have all of `where`. */
export function select(results, where, field) {
  const chosen = results.filter((result) => Object.entries(where).every(([key, value]) => result[key] === value))
  return chosen.map((result) => result[field])
}

/**
 * The rows of those in `all` that were measured. `row(who, of)` makes one; `of(field, where)` are the values of `field`
 * in the results that have all of `where`, and are those of `who` unless `where` names somebody else.
 */
export function rowsOf(results, all, row) {
  const measured = all.filter((who) => select(results, { who }, 'who').length > 0)
  return measured.map((who) => row(who, (field, where) => select(results, { who, ...where }, field)))
}

/** How many turns, `[wants, has, leaves]`, began before the one before them had ended. */
export function overlaps(turns) {
  const ordered = turns.toSorted(([, a], [, b]) => a - b)
  return ordered.filter(([, has], index) => index > 0 && has < ordered[index - 1][2]).length
}

/** The value below which a share of all values lies, where `counts[value]` is how often there was each. */
export function quantileOfCounts(counts, share) {
  let left = sum(counts) * share
  return counts.findIndex((count) => (left -= count) <= 0)
}

/** How far the mean of `values` is usually from that of infinitely many. */
export function standardError(values) {
  const middle = mean(values)
  return Math.sqrt(sum(values.map((value) => (value - middle) ** 2)) / (values.length - 1) / values.length)
}

/** The slope of cost over count, both as logarithms: 0 is constant, 1 linear. */
export function exponent(points) {
  const x = points.map(([count]) => Math.log(count))
  const y = points.map(([, cost]) => Math.log(cost))
  const [middleX, middleY] = [mean(x), mean(y)]
  const together = sum(x.map((value, at) => (value - middleX) * (y[at] - middleY)))
  return together / sum(x.map((value) => (value - middleX) ** 2))
}
