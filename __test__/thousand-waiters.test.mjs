// A thousand waiters cost a process neither its thread pool nor a thread each, and all of them get their lock.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { child, scratch } from './support/index.mjs'
import { noProc, patience } from './support/platform.mjs'
import { threadsOf } from './support/processes.mjs'

const COUNT = 1000

async function holdAll({ leasehold, send, next, args: { directory, count } }) {
  const locks = []
  for (let index = 0; index < count; index += 1) locks.push(await leasehold.acquireFileLock(`${directory}/${index}`))
  send({ held: true })
  await next('release')
  for (const lock of locks) await lock.release()
  send({ released: true })
}

async function waitForAll({ leasehold, addonUrl, send, next, args: { directory, count } }) {
  const { readFile } = await import('node:fs/promises')
  const { fileURLToPath } = await import('node:url')
  /** The median time of a round of reads, more of them at once than the pool has threads. */
  const read = async () => {
    const times = []
    for (let round = 0; round < 60; round += 1) {
      const began = performance.now()
      await Promise.all(Array.from({ length: 8 }, () => readFile(fileURLToPath(addonUrl))))
      times.push(performance.now() - began)
    }
    return times.sort((a, b) => a - b)[times.length >> 1]
  }
  await next('read')
  await read()
  send({ idle: await read() })
  await next('wait')
  const acquired = Array.from({ length: count }, (_, index) =>
    leasehold.acquireFileLock(`${directory}/${index}`, { timeoutMs: 120_000 }),
  )
  send({ busy: await read() })
  const locks = await Promise.all(acquired)
  send({ acquired: locks.length, causes: [...new Set(locks.map(({ recoveredFrom }) => recoveredFrom ?? null))] })
  for (const lock of locks) await lock.release()
  send({ done: true })
}

for (const [name, end, causes] of [
  ['released', (holding) => holding.send({ release: true }), [null]],
  ['killed', (holding) => holding.kill(), ['owner-died']],
]) {
  test(`${COUNT} waiters starve nobody, and all get in when their locks are ${name}`, async (t) => {
    const directory = scratch(t)
    const args = { directory, count: COUNT }
    const holding = child(t, holdAll, { args })
    const waiting = child(t, waitForAll, { args })
    await holding.next('held')
    waiting.send({ read: true })
    const { idle } = await waiting.next('idle')
    const threads = noProc || threadsOf(waiting.pid)
    waiting.send({ wait: true })
    const { busy } = await waiting.next('busy')
    assert.ok(busy < (8 * idle + 5) * patience, `a read takes ${busy} ms instead of ${idle} ms`)
    if (!noProc) {
      assert.ok(threadsOf(waiting.pid) < threads + 8, `${threadsOf(waiting.pid)} threads instead of ${threads}`)
    }
    assert.deepEqual(waiting.drain(), [], 'nobody got in yet')
    end(holding)
    assert.deepEqual(await waiting.next('acquired', { timeoutMs: 60_000 }), { acquired: COUNT, causes })
    await waiting.next('done')
    assert.deepEqual(readdirSync(directory), [])
  })
}
