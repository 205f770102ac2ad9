// The system calls that each operation takes, as strace counts them.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OPERATIONS, ROUNDS } from '../runners/calls.mjs'

export const name = 'calls'
export const title = 'System calls of one operation, on ext4'
export const rounds = { full: 1, quick: 1 }

/** What Node's and V8's own threads call all the time, and waking a thread, which depends on whether it sleeps. */
const NOT_OURS =
  /^(futex|epoll_\w+|madvise|mprotect|mmap|munmap|brk|rt_sig\w+|sched_\w+|getpid|restart_syscall|read|p?poll)$/
/** Eight bytes that wake a thread. */
const WAKES = /write\(\d+, "\\1(?:\\0){7}", 8/

export async function round({ places: [place], number }, results) {
  // The counts are the same each time.
  if (number > 0) return
  const directory = await place.newDirectory()
  const trace = join(directory, 'trace')
  const runner = fileURLToPath(new URL('../runners/calls.mjs', import.meta.url))
  const { error, status } = spawnSync('strace', ['-f', '-o', trace, process.execPath, runner, directory])
  // Without strace, or without permission to trace, there is no result.
  if (!error && status === 0) results.push(...count(readFileSync(trace, 'utf8')))
}

/** How often each call was made between two marks, per round. */
function count(trace) {
  const counts = Object.keys(OPERATIONS).map(() => new Map())
  let current
  for (const line of trace.split('\n')) {
    const marked = /leasehold-mark-(begin|end)-(\d+)/.exec(line)
    if (marked) current = marked[1] === 'begin' ? counts[marked[2]] : undefined
    const [, call] = /^\d+\s+(?:<\.\.\. )?(\w+)(?:\(| resumed)/.exec(line) ?? []
    if (current && !marked && call && !line.includes('resumed') && !NOT_OURS.test(call) && !WAKES.test(line)) {
      current.set(call, (current.get(call) ?? 0) + 1 / ROUNDS)
    }
  }
  return counts
}

export function conclude(results) {
  return results.map((calls, index) => {
    const often = [...calls].map(([call, times]) => [call, Math.round(times)]).filter(([, times]) => times > 0)
    return {
      who: Object.keys(OPERATIONS)[index],
      calls: often.reduce((sum, [, times]) => sum + times, 0),
      which: often.map(([call, times]) => (times > 1 ? `${times} ${call}` : call)).join(', '),
    }
  })
}
