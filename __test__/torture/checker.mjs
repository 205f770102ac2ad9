// Proves from a history that the locks in it were locks.
//
// Events carry `t` (nanoseconds), `who` (a process), `what`, and, if they belong to one attempt to take a lock,
// its `id` and the `path` of the lock:
//
//   want      before the call
//   acquire   after it returned, with the `token` if there is one
//   guarded   a check of ownership that passed; `t` is the moment before the check began
//   lost      the holder was told that its lock was taken away
//   release   before the call
//   timeout, error   the call failed instead
//
// and, written by the driver of the processes, with `who` as the process concerned:
//
//   kill      before the process is sent SIGKILL
//   freeze, thaw   before it is stopped, and before it may go on

/** What the log says about one attempt. */
class Attempt {
  constructor({ id, who, path, t, lease }) {
    Object.assign(this, { id, who, path, wanted: t, lease, guarded: [] })
  }

  /** Until when it certainly had the lock; if it was killed, until it last knew that it had it. */
  get until() {
    return Math.min(this.released ?? this.lost ?? Math.max(this.acquired, ...this.guarded), this.lost ?? Infinity)
  }

  get hasOutcome() {
    return [this.acquired, this.timedOut, this.failed].some((outcome) => outcome !== undefined)
  }

  toString() {
    return `${this.id} (${this.path}, token ${this.token ?? '–'})`
  }
}

/**
 * Everything that is wrong with `events`, as sentences, and what there is to count: `{ problems, counts }`.
 *
 * - `tokens`: whether each owner's token has to exceed those of all before it (`true` by default)
 * - `timeouts`: whether waiters may time out (`false` by default)
 */
export function check(events, { tokens = true, timeouts = false } = {}) {
  const problems = []
  const attempts = new Map()
  const dead = new Set()
  const freezes = new Map()
  const say = (problem) => problems.push(problem)

  for (const event of events.toSorted((a, b) => a.t - b.t)) follow(event)

  function follow(event) {
    const { t, who, what, id } = event
    if (what === 'kill') return void dead.add(who)
    if (what === 'freeze') return void freezes.set(who, [...(freezes.get(who) ?? []), { from: t, to: Infinity }])
    if (what === 'thaw') return void (freezes.get(who).at(-1).to = t)
    if (what === 'want') {
      if (attempts.has(id)) say(`${id} has two "want" events`)
      return void attempts.set(id, new Attempt(event))
    }
    const attempt = attempts.get(id)
    if (attempt === undefined) return say(`${what} of ${id}, which has no "want" event`)
    if (what === 'acquire') {
      if (attempt.hasOutcome) say(`${attempt} has two outcomes`)
      attempt.acquired = t
      attempt.token = event.token === undefined ? undefined : BigInt(event.token)
    } else if (what === 'guarded') attempt.guarded.push(t)
    else if (what === 'lost') attempt.lost ??= t
    else if (what === 'release') attempt.released = t
    else if (what === 'timeout') attempt.timedOut = t
    else if (what === 'error') attempt.failed = event.message ?? 'it did not say why'
    else say(`${what} is not an event`)
  }

  const all = [...attempts.values()]
  for (const attempt of all) {
    if (attempt.failed !== undefined) say(`${attempt} failed: ${attempt.failed}`)
    if (attempt.timedOut !== undefined && !timeouts) say(`${attempt} timed out`)
    if (!attempt.hasOutcome && !dead.has(attempt.who)) say(`${attempt} waits for ever`)
    const wasLost = attempt.lost !== undefined
    if (wasLost && !stoodStill(attempt)) say(`${attempt} was lost by a holder that never stood still`)
  }

  /** Whether the process of an attempt was frozen for a whole lease at a stretch, between its request and its loss. */
  function stoodStill({ who, wanted, lost, lease = Infinity }) {
    const spans = (freezes.get(who) ?? []).map(({ from, to }) => Math.min(to, lost) - Math.max(from, wanted))
    return spans.some((span) => span >= lease * 1e6)
  }

  const holds = all.filter(({ acquired }) => acquired !== undefined)
  for (const inOrder of grouped(holds)) {
    inOrder.sort((a, b) => a.acquired - b.acquired)
    meet(inOrder)
    if (tokens) grow(inOrder)
  }

  /** Finds holders that are in together. One that lost its lock may be, as long as none of its checks passes then. */
  function meet(inOrder) {
    let inside = []
    for (const later of inOrder) {
      inside = inside.filter(({ until }) => until > later.acquired)
      for (const earlier of inside) {
        if (earlier.lost === undefined && later.lost === undefined) say(`${earlier} and ${later} overlap`)
        else if (earlier.lost === undefined) claims(later, earlier, later.acquired)
        else claims(earlier, later, later.acquired)
      }
      inside.push(later)
    }
  }

  function claims(loser, other, since) {
    const wrong = loser.guarded.filter((t) => t > since && t < other.until)
    if (wrong.length > 0) say(`${loser} was told that it had the lock while ${other} had it`)
  }

  function grow(inOrder) {
    let largest
    for (const hold of inOrder) {
      if (hold.token === undefined) continue
      // A holder that lost its lock may be late to say that it had it: it only certainly precedes those after its loss.
      if (hold.lost !== undefined) continue
      if (largest !== undefined && hold.token <= largest.token) say(`${hold}: its token does not exceed ${largest}'s`)
      else largest = hold
    }
    for (const loser of inOrder.filter(({ lost }) => lost !== undefined)) {
      const after = inOrder.find(({ acquired, token }) => acquired > loser.lost && token <= loser.token)
      if (after !== undefined) say(`${after}: its token does not exceed ${loser}'s`)
    }
  }

  const waits = holds.map(({ wanted, acquired }) => acquired - wanted)
  const counts = {
    attempts: all.length,
    holds: holds.length,
    timeouts: all.filter(({ timedOut }) => timedOut !== undefined).length,
    losses: holds.filter(({ lost }) => lost !== undefined).length,
    kills: dead.size,
    longestWaitMs: waits.reduce((longest, wait) => Math.max(longest, wait), 0) / 1e6,
  }
  return { problems, counts }
}

function grouped(holds) {
  const groups = new Map()
  for (const hold of holds) {
    if (!groups.has(hold.path)) groups.set(hold.path, [])
    groups.get(hold.path).push(hold)
  }
  return groups.values()
}
