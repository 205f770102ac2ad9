// A frozen holder keeps its lock for its lease and two beats; once thawed, it learns that the lock is gone.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'
import { contenders } from './support/contenders.mjs'
import { noFreezing } from './support/platform.mjs'
import { stateOf } from './support/processes.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const noTampering = await whyNoTampering()

/** The lease of the frozen holders, and how long it lasts without beats: itself plus two beats of a third each. */
const leaseMs = 900
const EXPIRY = leaseMs + (2 * leaseMs) / 3

async function freeze(one) {
  one.kill('SIGSTOP')
  await until(() => stateOf(one.pid) === 'T')
}

/** A holder that reports what it knows of its lock when asked, and releases it when asked. */
async function frozenHolder(t, path) {
  const holding = child(
    t,
    async ({ leasehold, send, next, args: { path, leaseMs } }) => {
      const warnings = []
      process.on('warning', ({ code }) => warnings.push(code))
      const lock = await leasehold.acquireFileLock(path, { leaseMs })
      const { signal } = lock
      const alive = setInterval(() => {}, 1000) // waiting for news of a loss keeps no process alive
      send({ token: lock.token })
      await next('look')
      let thrown
      try {
        lock.assertHeld()
      } catch (error) {
        thrown = { code: error.code, reason: error.reason }
      }
      await new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', resolve)))
      send({ thrown, held: lock.held, reason: signal.reason.reason })
      await next('release')
      await lock.release()
      send({ released: true, warnings })
      clearInterval(alive)
    },
    { args: { path, leaseMs } },
  )
  const { token } = await holding.next('token')
  return { ...holding, token: BigInt(token) }
}

describe('a frozen holder', { skip: noFreezing, concurrency: 4 }, () => {
  test('does not outlast one short wait after the other', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs })
    await freeze(holding)
    const lock = await until(() => leasehold.acquireFileLock(path, { timeoutMs: EXPIRY / 5 }).catch(() => {}))
    assert.equal(lock.recoveredFrom, 'lease-expired')
    await lock.release()
    holding.kill('SIGKILL')
  })

  test('is superseded after its lease and two beats, learns it when thawed, spares its successor', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    const holding = await frozenHolder(t, path)
    const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    await freeze(holding)
    const frozen = performance.now()
    const lock = await waiting
    const waited = performance.now() - frozen
    // When it froze, its last beat may have been almost a full interval ago.
    assert.ok(waited > EXPIRY - leaseMs / 3 - 50, `after ${waited} ms`)
    assert.ok(waited < 15_000, `after ${waited} ms`)
    assert.equal(lock.recoveredFrom, 'lease-expired')
    assert.ok(lock.token > holding.token)
    assert.deepEqual(readdirSync(directory), ['file.lock'])

    const { ino } = statSync(lock.lockPath)
    holding.send({ look: true })
    holding.kill('SIGCONT')
    const told = await holding.next('held')
    assert.deepEqual(told.thrown, { code: 'file_lock_lost', reason: 'replaced' })
    assert.deepEqual([told.held, told.reason], [false, 'replaced'])
    holding.send({ release: true })
    const { warnings } = await holding.next('released')
    assert.ok(warnings.includes('LEASEHOLD_LOCK_LOST'))
    assert.equal(statSync(lock.lockPath).ino, ino)
    lock.assertHeld()
    await lock.release()
    assert.ok(!existsSync(lock.lockPath))
  })

  test('that thaws in time keeps its lock', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs: 3000 })
    let acquired = false
    const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000 }).then((lock) => {
      acquired = true
      return lock
    })
    await freeze(holding)
    await sleep(1500)
    holding.kill('SIGCONT')
    await sleep(4000) // longer than its lease: only new beats can keep it
    assert.ok(!acquired)
    await holding.release()
    const lock = await waiting
    assert.equal(lock.recoveredFrom ?? null, null)
    await lock.release()
  })

  test('is judged by what a waiter has watched, not by dates: one that comes later starts to count then', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs })
    await freeze(holding)
    await sleep(2 * EXPIRY)
    const began = performance.now()
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    const waited = performance.now() - began
    assert.ok(waited > EXPIRY - 50, `after ${waited} ms`)
    assert.equal(lock.recoveredFrom, 'lease-expired')
    await lock.release()
    holding.kill('SIGCONT')
  })

  test('is not superseded by a waiter that was frozen with it: they were both asleep', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs: 2000 })
    const waiting = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        const acquired = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
        send({ waiting: true })
        const lock = await acquired
        send({ recoveredFrom: lock.recoveredFrom ?? null })
        await lock.release()
      },
      { args: { path } },
    )
    await waiting.next('waiting')
    await until(() => statSync(holding.lockPath).atimeMs > statSync(holding.lockPath).mtimeMs)
    await Promise.all([freeze(waiting), freeze(holding)])
    await sleep(5000)
    waiting.kill('SIGCONT') // it looks before the holder can beat
    await sleep(800)
    holding.kill('SIGCONT')
    await sleep(500)
    assert.deepEqual(waiting.drain(), [])
    await holding.release()
    assert.deepEqual(await waiting.next('recoveredFrom'), { recoveredFrom: null })
  })

  test('is superseded by one of six waiters, and the others take turns', async (t) => {
    const directory = scratch(t)
    const six = await contenders(t, directory, 6)
    for (let round = 0; round < 4; round += 1) {
      const path = join(directory, `${round}`)
      const holding = await holder(t, path, { leaseMs: 300 })
      await freeze(holding)
      const { answers, log } = await six.meet(path)
      assert.deepEqual(answers.filter(({ error, intruded }) => error ?? intruded), [])
      assert.equal(log.length, 12)
      const recovered = answers.map(({ recoveredFrom }) => recoveredFrom).filter((cause) => cause !== null)
      assert.deepEqual(recovered, ['lease-expired'])
      holding.kill('SIGKILL')
    }
    assert.deepEqual(readdirSync(directory).filter((name) => name.includes('.lock')), [])
  })

  test('in the middle of its release cannot remove the name of a successor', { skip: noTampering }, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, send, next, args: { path } }) => {
        const lock = await leasehold.acquireFileLock(path, { leaseMs: 300 })
        const asked = next('release')
        send({ held: true })
        await asked
        send({ releasing: true })
        await lock.release()
        send({ released: true })
      },
      { args: { path } },
    )
    await holding.next('held')
    // It is held up for ten leases between making sure that the file is its own and removing it.
    await tamper(t, holding.pid, ['unlinkat:delay_enter=3s'])
    holding.send({ release: true })
    await holding.next('releasing')
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    await holding.next('released')
    await sleep(100)
    lock.assertHeld()
    assert.ok(existsSync(lock.lockPath))
    await lock.release()
  })
})
