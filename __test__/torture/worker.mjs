// A process that wants locks: it does what its parent says, and records what happens to it.
//
//   node worker.mjs <its name> <the history> <whose lock>

import { CONTESTANTS } from './contestants.mjs'
import { Recorder, now } from './history.mjs'
import { random } from '../support/random.mjs'

const [, , who, history, contestant] = process.argv
const recorder = new Recorder(history, who)
const acquire = await CONTESTANTS[contestant]()
const acquireSync = await CONTESTANTS['leasehold sync']()
const cell = new Int32Array(new SharedArrayBuffer(4))
let count = 0

const blocked = (ms) => void Atomics.wait(cell, 0, 0, ms)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function spin(us) {
  const end = now() + us * 1000
  while (now() < end);
}

/** Takes the lock of `path` once: blocks the event loop for `block` ms, then holds on for `hold` ms. */
async function attempt({ path, sync = false, delay = 0, hold = 0, block = 0, options }) {
  const id = `${who}#${count++}`
  const note = (what, facts, t) => recorder.note(what, { id, path, ...facts }, t)
  spin(delay)
  note('want', { lease: options?.leaseMs })
  let lock
  try {
    lock = await (sync ? acquireSync : acquire)(path, options)
  } catch (error) {
    const isTimeout = /_timeout$/i.test(error.code)
    note(isTimeout ? 'timeout' : 'error', { message: error.stack })
    return isTimeout ? { timeout: true } : { error: error.message }
  }
  note('acquire', { token: lock.token?.toString(), from: lock.recoveredFrom })
  lock.signal?.addEventListener('abort', () => note('lost', { reason: lock.signal.reason.reason }), { once: true })
  const insists = () => {
    const t = now()
    try {
      lock.assertHeld?.()
    } catch (error) {
      if (error.code !== 'file_lock_lost') throw error
      return note('lost', { reason: error.reason })
    }
    note('guarded', {}, t)
  }
  if (block > 0) blocked(block)
  for (const end = now() + hold * 1e6; now() < end; insists()) await pause(1)
  insists()
  note('release')
  try {
    await lock.release()
  } catch (error) {
    note('error', { message: `release: ${error.stack}` })
  }
  return { recoveredFrom: lock.recoveredFrom ?? null }
}

/** Takes locks until told to stop: which, how and for how long is random, the same for a seed. */
async function strive({ seed, paths, longest = 4, think = 3, tasks = 1, ...rest }) {
  const chance = random(seed)
  const one = async () => {
    while (!stopped) {
      const sync = tasks === 1 && chance(4) === 0
      await attempt({ path: paths[chance(paths.length)], sync, hold: chance(longest + 1), ...rest })
      await pause(chance(think + 1))
    }
  }
  striving = Promise.all(Array.from({ length: tasks }, one))
  await striving
  return { attempts: count }
}

let stopped = false
let striving

const DO = {
  attempt,
  strive: (order) => ((stopped = false), strive(order)),
  stop: () => void (stopped = true),
  /** Answers once it no longer strives. */
  quiet: async () => void (await striving),
  async usage() {
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.()
      await pause(20)
    }
    const { readdirSync } = await import('node:fs')
    const { rss, heapUsed, external } = process.memoryUsage()
    const entries = (directory) => readdirSync(`/proc/self/${directory}`).length
    return { descriptors: entries('fd') - 1, threads: entries('task'), rss, heapUsed, external }
  },
}

process.on('message', async ({ number, verb, order }) => {
  try {
    process.send({ number, answer: (await DO[verb](order)) ?? null })
  } catch (error) {
    process.send({ number, failure: error.stack })
  }
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })
