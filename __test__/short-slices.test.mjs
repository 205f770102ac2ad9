// While nobody else waits, the thread that waits for other processes runs as soon as it is woken: it asks Linux for the
// shortest time slice, and for the ordinary one again when others turn up.

import { readFileSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, scratch, until } from './support/index.mjs'
import { noProc } from './support/platform.mjs'

const SHORTEST = 100_000

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // there is no such file, or the thread has ended
  }
}

/** The slice of a thread in nanoseconds, if the kernel reports it. */
function sliceOf(thread) {
  const slice = /^se\.slice\s*:\s*(\d+)$/m.exec(read(`${thread}/sched`))
  return slice ? Number(slice[1]) : undefined
}

function lookoutsOf(pid) {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`)
  return threads.filter((thread) => read(`${thread}/comm`).startsWith('leasehold-looko'))
}

function whyNot() {
  const [major, minor] = release().split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 12)) return 'Linux 6.12 is the first whose slices can be chosen'
  if (sliceOf('/proc/self') === undefined) return 'this kernel does not tell how long slices are'
  return !/^Seccomp:\s*0$/m.test(read('/proc/self/status')) && 'system calls are filtered here, so nobody asks'
}

test('a lookout has the shortest slice while it knows of no other waiter, and then the ordinary one', {
  skip: noProc || whyNot(),
}, async (t) => {
  const path = join(scratch(t), 'file')
  /** A JavaScript peer takes the lock, and nobody sees it free in between. */
  const changeHands = () => {
    writeFileSync(`${path}.new`, JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() }))
    renameSync(`${path}.new`, `${path}.lock`)
  }
  changeHands()
  const waiting = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 120_000 })
      await lock.release()
      send({ released: true })
    },
    { args: { path } },
  )
  const hasSlice = (slice) => lookoutsOf(waiting.pid).some((lookout) => sliceOf(lookout) === slice)
  await until(() => hasSlice(SHORTEST))
  // A lost race shows the lookout that somebody else waits. It may not be watching yet the first time.
  await until(() => {
    changeHands()
    return hasSlice(sliceOf(`/proc/${waiting.pid}`))
  })
  unlinkSync(`${path}.lock`)
  await waiting.next('released')
})
