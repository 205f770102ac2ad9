// What a fleet is put through.

import { readFileSync, statSync } from 'node:fs'
import { account } from './account.mjs'
import { now, withCrew } from './crew.mjs'
import { locker } from './kinds.mjs'

const SECOND = 1000

/**
 * Members of `sides` hammer on the same files for `seconds`; meanwhile one after the other is killed and replaced, by
 * turns while it holds a lock and at any moment. Resolves to the account of it.
 */
export async function hammer(options, { sides, seconds }) {
  return withCrew(options, async (crew) => {
    const { files, members } = crew
    await Promise.all(sides.map((side) => crew.start(side)))
    let over = false
    const end = timer(seconds * SECOND).then(() => (over = true))
    const kinds = [...new Set(sides)]
    for (let turn = 0; !over; turn += 1) {
      await Promise.race([end, timer(SECOND * Math.random())])
      if (over) break
      const side = kinds[turn % kinds.length]
      const living = members.filter((member) => member.side === side && member.killed === undefined)
      const victim = living[Math.floor(Math.random() * living.length)]
      // If a lock is blocked for good, the victim may never hold one again.
      if (turn % 4 < 2) await Promise.race([crew.hang(victim), end])
      await crew.kill(victim)
      await crew.start(side)
    }
    await crew.dismiss()
    const sums = files.map((file) => Number(readFileSync(file, 'utf8')))
    return { ...account(members, sums), left: leftovers(files) }
  })
}

/**
 * A member of `from` is killed while it holds the lock that one of `by` wants, `rounds` times. Resolves to the
 * milliseconds from each kill until that one had it.
 */
export async function recover(options, { from, by, rounds }) {
  const waits = []
  for (let round = 0; round < rounds; round += 1) {
    await withCrew({ ...options, count: 1 }, async (crew) => {
      const holder = await crew.start(from)
      await crew.hang(holder)
      const waiter = await crew.start(by)
      const got = crew.hang(waiter).then(now)
      await crew.kill(holder)
      waits.push(((await got) - holder.killed) / 1000)
    })
  }
  return waits
}

/**
 * A leasehold process holds a lock for `seconds`, while `peers` that consider any lock older than `stale` milliseconds
 * stale ask for it. Rejects if it loses the lock, or if they do not get it afterwards.
 */
export async function outlive(options, { seconds, stale, peers = 2 }) {
  return withCrew({ ...options, stale, count: 1 }, async (crew) => {
    const withLock = await locker(options.kind, 'leasehold', { stale })
    const began = performance.now()
    let served
    await withLock(crew.files[0], async (lock) => {
      const waiting = await Promise.all(Array.from({ length: peers }, () => crew.start('peer')))
      const got = waiting.map((peer) => crew.hang(peer))
      // Each is killed once it has the lock, so that the next one gets it, too.
      served = Promise.all(got.map((hung, index) => hung.then(() => crew.kill(waiting[index]))))
      await Promise.race([timer(seconds * SECOND), ...got])
      lock.assertHeld()
    })
    const heldForMs = performance.now() - began
    await served
    return { heldForMs }
  })
}

/** What is left beside `files` when everybody has gone. */
function leftovers(files) {
  return files.flatMap((file) => {
    return ['.lock', '.lock.reclaim'].flatMap((suffix) => {
      const found = statSync(`${file}${suffix}`, { throwIfNoEntry: false })
      if (found === undefined) return []
      if (found.isDirectory()) return ['a guard of fs-safe']
      return [found.size === 0 ? 'an empty lock file' : 'a lock file']
    })
  })
}

const timer = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
