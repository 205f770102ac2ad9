/** The value below which a share of all values lies. */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

export const median = (values) => quantile(values, 0.5)

/** What is told of one number that was measured in several rounds. */
export function summary(rounds) {
  return { median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds }
}

/** How many times the floor each round is: a noisy moment hits both. */
export function ratio(rounds, floor) {
  return summary(rounds.map((value, round) => value / floor[round]))
}
