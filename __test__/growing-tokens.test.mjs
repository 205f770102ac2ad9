// Each later owner of a lock has a larger fencing token, even if the lock file was gone in between.

import assert from 'node:assert/strict'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { patience } from './support/platform.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()

/** A process whose acquisition, already begun, is held up by `rule`; then it sends its token and releases. */
async function heldUp(t, path, rule) {
  const slow = child(
    t,
    async ({ leasehold, send, begin, args: { path } }) => {
      await begin()
      send({ started: true })
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000, leaseMs: 200 })
      send({ token: lock.token })
      await lock.release()
    },
    { args: { path } },
  )
  await slow.next('ready')
  await tamper(t, slow.pid, [rule])
  slow.send({ start: true })
  await slow.next('started')
  return slow
}

test('a process that is held up between writing its record and giving it its name', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  await (await leasehold.acquireFileLock(path)).release()
  const slow = await heldUp(t, path, 'linkat:delay_enter=300ms')
  let before = 0n
  let later
  void slow.next('token').then(({ token }) => (later = BigInt(token)))
  while (later === undefined) {
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    const { token } = lock
    await lock.release()
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (later === undefined) before = token
  }
  assert.ok(before > 0n)
  assert.ok(later > before, `${later} after ${before}`)
})

test('a process that is held up between naming its lock file and writing its token', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  const slow = await heldUp(t, path, 'linkat:delay_exit=3s:when=1')
  let later
  const told = slow.next('token').then(({ token }) => (later = BigInt(token)))
  await until(() => existsSync(`${path}.lock`))
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
  assert.equal(lock.recoveredFrom, 'lease-expired')
  // The slow process has found out that it lost the lock before it was told that it had it, and waits.
  const isMarked = ({ atimeMs, mtimeMs }) => atimeMs > mtimeMs
  await until(() => isMarked(statSync(lock.lockPath)) || later !== undefined)
  assert.equal(later, undefined)
  lock.assertHeld()
  await lock.release()
  await told
  assert.ok(later > lock.token, `${later} after ${lock.token}`)
})

test('processes that come and go as fast as they can', async (t) => {
  const directory = scratch(t)
  const hurry = async ({ leasehold, send, begin, args: { directory, forMs } }) => {
    const { openSync, readFileSync, writeSync } = await import('node:fs')
    const last = openSync(`${directory}/last`, 'r+')
    let turns = 0
    const smaller = []
    await begin()
    const end = performance.now() + forMs
    while (performance.now() < end) {
      const lock = leasehold.acquireFileLockSync(`${directory}/file`, { timeoutMs: 60_000 })
      const before = BigInt(readFileSync(`${directory}/last`, 'utf8'))
      if (lock.token <= before) smaller.push(`${lock.token} after ${before}`)
      writeSync(last, String(lock.token).padStart(20, '0'), 0)
      lock.releaseSync()
      turns += 1
      for (let rest = Math.random() * 40_000; rest > 0; rest -= 1); // so that it is free now and then
    }
    send({ turns, smaller })
  }
  writeFileSync(join(directory, 'last'), '0'.padStart(20, '0'))
  const all = [1, 2, 3].map(() => child(t, hurry, { args: { directory, forMs: 2000 * patience } }))
  await Promise.all(all.map((one) => one.next('ready')))
  for (const one of all) one.send({ start: true })
  const answers = await Promise.all(all.map((one) => one.next('turns')))
  assert.ok(answers.every(({ turns }) => turns > 10), 'everybody had turns')
  assert.deepEqual(answers.flatMap(({ smaller }) => smaller), [])
})
