// Whoever gets a lock later has a larger fencing token, also where the lock file was gone in between.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { contenders } from './support/contenders.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()

test('a process that is held up between writing its record and giving it its name', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  await (await leasehold.acquireFileLock(path)).release()
  const slow = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      const started = next('start') // listens before it is traced: that, too, takes system calls
      send({ ready: true })
      await started
      send({ started: true })
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      send({ token: lock.token })
      await lock.release()
    },
    { args: { path } },
  )
  await slow.next('ready')
  await tamper(t, slow.pid, ['linkat:delay_enter=300ms'])
  slow.send({ start: true })
  await slow.next('started')
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

test('six processes that come and go at once', async (t) => {
  const directory = scratch(t)
  const six = await contenders(t, directory, 6)
  for (let round = 0; round < 20; round += 1) {
    const { answers, log } = await six.meet(join(directory, `${round}`))
    const order = log.filter((entry) => entry.in).map((entry) => answers.find(({ pid }) => pid === entry.in).token)
    const sorted = [...order].sort((a, b) => (BigInt(a) < BigInt(b) ? -1 : 1))
    assert.deepEqual(order, sorted)
    assert.equal(new Set(order).size, 6)
  }
})
