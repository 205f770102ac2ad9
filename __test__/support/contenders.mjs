// Processes that all want one lock at the same moment, and notice each other inside.

import { readFileSync } from 'node:fs'
import { child } from './child.mjs'

/**
 * Starts `count` processes. `meet(path, options)` has each acquire the lock of `path` at the same moment, once,
 * and resolves to `{ answers, log }`: what each saw (`pid`, `token`, `recoveredFrom`, `waited`, and `error` or
 * `intruded` when something went wrong), and who went in and out in which order.
 */
export async function contenders(t, directory, count, { env, timeoutMs = 30_000 } = {}) {
  const all = Array.from({ length: count }, (_, index) =>
    child(t, contend, { args: { index, directory, timeoutMs }, env }),
  )
  await Promise.all(all.map((one) => one.next('ready')))
  const meet = async (path, options) => {
    const at = Date.now() + 15
    for (const one of all) one.send({ path, at, options })
    const answers = await Promise.all(all.map((one) => one.next('pid')))
    const lines = readFileSync(`${path}.log`, 'utf8').split('\n').filter(Boolean)
    return { answers, log: lines.map((line) => JSON.parse(line)) }
  }
  return { meet, all }
}

async function contend({ leasehold, send, next, args: { index, directory, timeoutMs } }) {
  const { appendFileSync, closeSync, openSync, unlinkSync } = await import('node:fs')
  const { pid } = process
  // So that the directory is known, and the meeting begins with the lock itself.
  await (await leasehold.acquireFileLock(`${directory}/warm-up-${index}`)).release()
  send({ ready: true })
  for (;;) {
    const { path, at, options } = await next('path')
    const answer = { pid, recoveredFrom: null }
    while (Date.now() < at);
    const began = performance.now()
    try {
      // Every second process blocks its event loop while it waits.
      const acquire = index % 2 ? leasehold.acquireFileLock : leasehold.acquireFileLockSync
      const lock = await acquire(path, { timeoutMs, ...options })
      answer.waited = performance.now() - began
      answer.token = lock.token
      answer.recoveredFrom = lock.recoveredFrom ?? null
      try {
        closeSync(openSync(`${path}.marker`, 'wx'))
      } catch (error) {
        answer.intruded = error.message
      }
      appendFileSync(`${path}.log`, `{"in":${pid}}\n`)
      if (index % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      appendFileSync(`${path}.log`, `{"out":${pid}}\n`)
      if (!answer.intruded) unlinkSync(`${path}.marker`)
      await lock.release()
    } catch (error) {
      answer.error = error.message
    }
    send(answer)
  }
}
