// What happened, from the logs of a fleet: who held which lock when, who was in together, and who is to blame.
//
// Two processes were in together if their holds overlap. Then somebody broke the lock of the one that came first, and
// the question is who. leasehold removes no lock files but its own. So if the first holder's lock file was intact to
// the end, the second one ignored it; if a peer had removed it, that peer is to blame. See docs/openclaw.md for why
// peers do that.

import { readFileSync } from 'node:fs'

const SIDES = ['leasehold', 'peer', 'nobody']

/** The holds and removals in the logs of `members`. */
function readLogs(members) {
  const holds = []
  const removals = []
  const gaveUp = []
  members.forEach((member, index) => {
    const { side, killed } = member
    const byNumber = new Map()
    const lost = new Set()
    const open = new Map()
    const lines = readFileSync(member.log, 'utf8').split('\n').slice(0, -1)
    for (const [event, ...rest] of lines.map((line) => JSON.parse(line))) {
      if (event === 'in') {
        const [number, file, time, since, count, token] = rest
        const hold = { member: index, side, file, since, in: time, out: killed, count, token, finished: false }
        byNumber.set(number, hold)
        holds.push(hold)
      } else if (event === 'out') {
        const [number, time, intact, wrote] = rest
        Object.assign(byNumber.get(number), { out: time, intact, wrote, finished: true })
      } else if (event === 'lost') {
        lost.add(rest[0])
      } else if (event === 'gaveUp') {
        gaveUp.push({ side, file: rest[0] })
      } else if (event === 'rm') {
        const [file, time, holding] = rest
        const removal = { member: index, file, from: time, to: killed, holding }
        open.set(file, removal)
        removals.push(removal)
      } else if (event === 'rmd') {
        open.get(rest[0]).to = rest[1]
      }
    }
    for (const hold of byNumber.values()) hold.lost = lost.has(hold.token)
  })
  return { holds: holds.sort((a, b) => a.in - b.in), removals, gaveUp }
}

/** Pairs of holds of one file that overlap, the earlier one first. */
function overlaps(holds) {
  const pairs = []
  const inside = new Map()
  for (const hold of holds) {
    const others = (inside.get(hold.file) ?? []).filter((other) => other.out > hold.in)
    for (const other of others) pairs.push([other, hold])
    inside.set(hold.file, [...others, hold])
  }
  return pairs
}

/**
 * Whether a peer other than `hold`'s own process had begun to remove the lock file of `hold` before `time`: in a
 * takeover, or in the release of a lock that it had lost itself (it removes whatever is there).
 */
function removedByPeer(hold, time, logs, asked = new Set()) {
  return logs.removals.some((removal) => {
    const { member, file, from, to } = removal
    const concerned = file === hold.file && member !== hold.member && !asked.has(removal)
    if (!concerned || from > Math.min(time, hold.out) || to < hold.since) return false
    if (!removal.holding) return true
    asked.add(removal)
    const own = logs.holds.findLast((own) => own.member === member && own.file === file && own.in <= from)
    return !own?.intact || removedByPeer({ ...own, out: to }, to, logs, asked)
  })
}

/** Who is to blame for a pair if `first` was the first that had the lock: a key of {@link BLAME}. */
function blame(first, second, logs) {
  const robbed = removedByPeer(first, second.in, logs)
  if (first.side === 'leasehold') {
    if (!robbed) return second.side === 'leasehold' ? 'betweenOurselves' : 'unexplained'
    // A process that was killed meanwhile had no chance to notice.
    return first.lost || !first.finished ? 'robbedAndNoticed' : 'robbedUnnoticed'
  }
  if (robbed && !first.intact) return 'peersRobbed'
  return second.side === 'leasehold' ? 'weIntruded' : 'unexplained'
}

/** Like `blame`, for a pair in the order in which they got going. */
function blamePair([first, second], logs) {
  const name = blame(first, second, logs)
  // The one that had the lock first may have been slower to get going.
  const reversed = second.since <= first.in ? blame(second, first, logs) : name
  return BLAME[name].ours && !BLAME[reversed].ours ? reversed : name
}

/** What can be said of a pair that was in together, and whether leasehold is to blame. */
export const BLAME = {
  betweenOurselves: { ours: true, means: 'two leasehold processes were in, and no peer had removed a lock file' },
  weIntruded: { ours: true, means: 'leasehold got in while a peer had its lock, and no peer had removed it' },
  robbedUnnoticed: { ours: true, means: 'a peer removed the lock file of a leasehold process, which did not notice' },
  unexplained: { ours: true, means: 'a peer got in, and no peer had removed a lock file' },
  robbedAndNoticed: { ours: false, means: 'a peer removed the lock file of a leasehold process, which noticed' },
  peersRobbed: { ours: false, means: 'a peer removed the lock file of another peer' },
}

/** For each file: how many counts were written, and how many were lost because two members had read the same. */
function tallies(holds, sums) {
  return sums.map((sum, file) => {
    const written = holds.filter((hold) => hold.file === file && hold.finished && hold.wrote).map(({ count }) => count)
    return { sum, writes: written.length, lost: written.length - new Set(written).size }
  })
}

/** For each member that was killed holding a lock: who had that lock next, and after how many milliseconds. */
function recoveries(members, holds) {
  return members.flatMap(({ side, killed, hung }) => {
    if (hung === undefined) return []
    const next = holds.find(({ file, in: time }) => file === hung && time > killed)
    return [{ from: side, by: next?.side, ms: next && (next.in - killed) / 1000 }]
  })
}

/**
 * Everything that can be said about the logs of `members`, who counted up to `sums` in their files.
 */
export function account(members, sums) {
  const logs = readLogs(members)
  const { holds, gaveUp } = logs
  const blamed = Object.fromEntries(Object.keys(BLAME).map((name) => [name, 0]))
  const faults = []
  const overlapping = new Set()
  for (const pair of overlaps(holds)) {
    const name = blamePair(pair, logs)
    blamed[name] += 1
    overlapping.add(pair[0].file)
    if (BLAME[name].ours) faults.push({ what: BLAME[name].means, pair })
  }
  const kills = members.filter(({ killed }) => killed !== undefined)
  const files = tallies(holds, sums)
  files.forEach(({ sum, writes, lost }, file) => {
    // Where two were in together, updates may be lost, and the counter may even have been set back.
    if (overlapping.has(file)) return
    // A member that was killed may have counted without having noted it.
    const unnoted = sum - writes
    const isPossible = lost === 0 && unnoted >= 0 && unnoted <= kills.length
    if (!isPossible) faults.push({ what: `nobody was in together, but a counter says ${sum} after ${writes} updates` })
  })
  const total = (of) => files.reduce((sum, file) => sum + of(file), 0)
  const recovered = recoveries(members, holds)
  for (const { from, by } of recovered) {
    if (by === undefined) faults.push({ what: `nobody got the lock of a ${from} that was killed` })
  }
  if (gaveUp.some(({ side }) => side === 'leasehold')) faults.push({ what: 'leasehold waited for 20 s in vain' })
  return {
    turns: Object.fromEntries(SIDES.map((side) => [side, holds.filter((hold) => hold.side === side).length])),
    kills: kills.map(({ side, hung }) => ({ side, holding: hung !== undefined })),
    recovered,
    /** How many times a peer waited in vain. */
    gaveUp: gaveUp.filter(({ side }) => side === 'peer').length,
    overlaps: blamed,
    /** How many leasehold turns wrote nothing, because `assertHeld()` told them in time. */
    refrained: holds.filter(({ side, finished, wrote }) => side === 'leasehold' && finished && !wrote).length,
    /** How many times a leasehold process was told that its lock was taken away. */
    losses: holds.filter(({ lost }) => lost).length,
    sum: total(({ sum }) => sum),
    writes: total(({ writes }) => writes),
    lostUpdates: total(({ lost }) => lost),
    faults,
  }
}
