// Processes that use a JavaScript lock and processes that use ours share a file, and respect each other's locks.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'
import { patience } from './support/platform.mjs'

/** The verdicts on a killed process. Where many processes are started, its pid may be reused within moments. */
const GONE = ['dead-pid', 'recycled-pid']
const peerUrl = new URL('./support/javascript-lock.mjs', import.meta.url).href
const SOON = 5000
const FLAVOURS = ['file', 'session']

/**
 * A process that acquires the lock of `path` as a JavaScript peer does, and holds it until it is told to release it
 * or killed. `held()` resolves to why it removed stale locks on the way.
 */
async function javascriptPeer(t, path, options) {
  const peer = child(
    t,
    async ({ send, next, args: { peerUrl, path, options } }) => {
      const { acquire } = await import(peerUrl)
      send({ waiting: true })
      const lock = await acquire(path, options)
      send({ removed: lock.removed })
      await next('release')
      await lock.release()
      send({ released: true })
    },
    { args: { peerUrl, path, options } },
  )
  await peer.next('waiting')
  const held = async () => (await peer.next('removed')).removed
  const release = async () => {
    peer.send({ release: true })
    await peer.next('released')
  }
  return { ...peer, held, release }
}

/** Increments the counter in the file `path` under its lock, until told to stop. */
async function count({ leasehold, send, next, begin, args: { peerUrl, path, kind, flavour } }) {
  const { closeSync, openSync, readFileSync, unlinkSync, writeSync } = await import('node:fs')
  const { acquire } = await import(peerUrl)
  const lock = {
    javascript: () => acquire(path, { flavour, gapMs: 2 }),
    native: () =>
      flavour === 'file'
        ? leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
        : leasehold.acquireSessionWriteLock({ sessionFile: path, timeoutMs: 60_000 }),
  }[kind]
  const file = openSync(path, 'r+')
  let stopped = false
  let counted = 0
  const surprises = []
  await begin()
  void next('stop').then(() => (stopped = true))
  while (!stopped) {
    const held = await lock()
    if (held.removed?.length > 0) surprises.push(held.removed)
    if (held.recoveredFrom) surprises.push(held.recoveredFrom)
    try {
      closeSync(openSync(`${path}.marker`, 'wx'))
    } catch (error) {
      surprises.push(error.code)
    }
    const before = Number(readFileSync(path, 'utf8'))
    if (counted % 2) await new Promise((resolve) => setTimeout(resolve, 1))
    writeSync(file, String(before + 1).padStart(12), 0)
    unlinkSync(`${path}.marker`)
    await held.release()
    counted += 1
    await new Promise((resolve) => setTimeout(resolve, 2)) // let the ones that poll have a chance
  }
  send({ counted, surprises })
  await next('leave') // a pid that dies while its record is read is for another test
}

describe('JavaScript peers', { concurrency: true }, () => {
  test('four processes of either kind count on one file, and every count is there', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'counter')
    writeFileSync(path, '0'.padStart(12))
    const all = ['native', 'javascript'].flatMap((kind) =>
      FLAVOURS.map((flavour) => child(t, count, { args: { peerUrl, path, kind, flavour } })),
    )
    await Promise.all(all.map((one) => one.next('ready')))
    for (const one of all) one.send({ start: true })
    await sleep(4000 * patience)
    for (const one of all) one.send({ stop: true })
    const answers = await Promise.all(all.map((one) => one.next('counted')))
    for (const one of all) one.send({ leave: true })
    assert.deepEqual(answers.flatMap(({ surprises }) => surprises), [], 'nobody met anybody, nobody was robbed')
    const sum = answers.reduce((sum, { counted }) => sum + counted, 0)
    assert.equal(Number(readFileSync(path, 'utf8')), sum)
    assert.ok(answers.every(({ counted }) => counted > 10), `everybody had turns: ${answers.map((a) => a.counted)}`)
    assert.deepEqual(readdirSync(directory), ['counter'])
  })

  test('peers do not rob a native holder that holds for longer than their stale of 3 s', async (t) => {
    const stale = 3000 * patience
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path)
    let robbed = false
    const robbers = FLAVOURS.map(async (flavour) => {
      const peer = await javascriptPeer(t, path, { flavour, stale, gapMs: 20 })
      const removed = await peer.held()
      robbed = true
      await peer.release()
      return removed
    })
    const began = performance.now()
    const ages = []
    while (performance.now() - began < stale + 5000) {
      const { createdAt } = JSON.parse(readFileSync(holding.lockPath, 'utf8'))
      ages.push(Date.now() - Date.parse(createdAt), Date.now() - statSync(holding.lockPath).mtimeMs)
      assert.ok(!robbed, `somebody robbed the holder after ${performance.now() - began} ms`)
      await sleep(20)
    }
    assert.ok(Math.max(...ages) < stale, `createdAt and mtime stay young: ${Math.max(...ages)} ms`)
    await holding.release()
    assert.deepEqual(await Promise.all(robbers), [[], []], 'they got in when it was released')
    assert.ok(!existsSync(holding.lockPath))
  })

  for (const flavour of FLAVOURS) {
    test(`a killed peer (${flavour} lock) is recovered, also by one that was waiting`, async (t) => {
      const path = join(scratch(t), 'file')
      const peer = await javascriptPeer(t, path, { flavour })
      await peer.held()
      let acquired = false
      const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000 }).then((lock) => (acquired = lock))
      await sleep(100)
      assert.ok(!acquired, 'a live peer is waited for')
      const killed = performance.now()
      peer.kill()
      const lock = await waiting
      assert.ok(performance.now() - killed < SOON, `${performance.now() - killed} ms`)
      assert.ok(GONE.includes(lock.recoveredFrom), lock.recoveredFrom)
      await lock.release()
      assert.ok(!existsSync(lock.lockPath))
    })

    test(`a peer (${flavour} lock) recovers the lock of a native process that was killed`, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = await holder(t, path)
      const peer = await javascriptPeer(t, path, { flavour })
      const killed = performance.now()
      holding.kill()
      const reasons = await peer.held()
      assert.ok(GONE.some((reason) => isDeepStrictEqual(reasons, [[reason]])), JSON.stringify(reasons))
      assert.ok(performance.now() - killed < SOON, `${performance.now() - killed} ms`)
      const refused = leasehold.acquireFileLock(path, { timeoutMs: 200 })
      await assert.rejects(refused, { code: 'file_lock_timeout' }, 'and its own lock is respected')
      const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      await peer.release()
      await (await waiting).release()
    })

    test(`a peer (${flavour} lock) that removes a live lock is noticed by its holder`, async (t) => {
      const path = join(scratch(t), 'file')
      const lock = await leasehold.acquireFileLock(path, { leaseMs: 600 })
      // A JS peer checks and removes in two steps, so it can rob us; the negative `stale` makes this one do so.
      const robber = await javascriptPeer(t, path, { flavour, stale: -10_000 })
      await robber.held()
      await until(() => lock.signal.aborted)
      assert.equal(lock.signal.reason.code, 'file_lock_lost')
      // A look between the peer's removal and its creation finds no lock file, a later one finds the peer's.
      assert.match(lock.signal.reason.reason, /^(removed|replaced)$/)
      assert.throws(() => lock.assertHeld(), { code: 'file_lock_lost' })
      const theirs = readFileSync(lock.lockPath, 'utf8')
      await lock.release()
      assert.equal(readFileSync(lock.lockPath, 'utf8'), theirs, 'their lock stays theirs')
      await robber.release()
    })
  }
})
