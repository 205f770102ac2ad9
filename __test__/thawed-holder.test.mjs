// A frozen holder: who may take its lock, when, and what the holder can still do once thawed.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'
import { noFreezing } from './support/platform.mjs'
import { stateOf } from './support/processes.mjs'

const leaseMs = 900
const EXPIRY = leaseMs + (2 * leaseMs) / 3

async function freeze(...processes) {
  for (const one of processes) one.kill('SIGSTOP')
  for (const one of processes) await until(() => stateOf(one.pid) === 'T')
}

/** A process that waits for the lock of `path` and says when it has it. */
async function waiter(t, path) {
  const waiting = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      const acquired = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      send({ waiting: true })
      const lock = await acquired
      send({ recoveredFrom: lock.recoveredFrom, token: lock.token })
      await next('release')
      lock.assertHeld()
      await lock.release()
      send({ released: true })
    },
    { args: { path } },
  )
  await waiting.next('waiting')
  return waiting
}

/** A waiter makes itself known by the time of the last access. */
const isWaitedFor = (lockPath) => {
  const { atimeMs, mtimeMs } = statSync(lockPath)
  return atimeMs > mtimeMs
}

describe('a holder that stood still', { skip: noFreezing, concurrency: 4 }, () => {
  for (const [name, order] of Object.entries({
    'the waiter first': (holding, waiting) => [waiting, holding],
    'the holder first': (holding, waiting) => [holding, waiting],
  })) {
    test(`with its waiter keeps its lock when the machine wakes up, ${name}`, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = await holder(t, path, { leaseMs: 3 * leaseMs })
      const waiting = await waiter(t, path)
      await until(() => isWaitedFor(holding.lockPath))
      await freeze(holding)
      await sleep(700) // the waiter has looked since the last beat, and seen the file unchanged for this long
      await freeze(waiting)
      await sleep(4 * EXPIRY)
      const [first, second] = order(holding, waiting)
      first.kill('SIGCONT')
      await sleep(300)
      second.kill('SIGCONT')
      await sleep(EXPIRY)
      assert.deepEqual(waiting.drain(), [])
      await holding.release()
      assert.equal((await waiting.next('token')).recoveredFrom, null)
    })
  }

  test('again and again, and moved in between, keeps its lock', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs: 1500 })
    const waiting = await waiter(t, path)
    for (let round = 0; round < 4; round += 1) {
      await freeze(holding)
      await sleep(1000)
      const before = statSync(holding.lockPath).mtimeMs
      holding.kill('SIGCONT')
      await until(() => statSync(holding.lockPath).mtimeMs > before)
    }
    assert.deepEqual(waiting.drain(), [])
    await holding.release()
    assert.equal((await waiting.next('token')).recoveredFrom, null)
  })

  test('loses its lock to one of two waiters, and the other waits for that one', async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path, { leaseMs })
    const waiting = await Promise.all([waiter(t, path), waiter(t, path)])
    await freeze(holding)
    const had = []
    const both = waiting.map(async (one) => had.push({ one, ...(await one.next('token')) }))
    await Promise.race(both)
    const [first] = had
    assert.equal(first.recoveredFrom, 'lease-expired')
    assert.ok(BigInt(first.token) > holding.token)
    await sleep(2 * EXPIRY)
    assert.equal(had.length, 1, 'the new owner beats')
    // The old owner thaws in the middle of it all.
    holding.kill('SIGCONT')
    await holding.release()
    assert.ok(existsSync(`${path}.lock`))
    first.one.send({ release: true })
    await first.one.next('released')
    await Promise.all(both)
    const [, second] = had
    assert.equal(second.recoveredFrom, null)
    assert.ok(BigInt(second.token) > BigInt(first.token))
    second.one.send({ release: true })
    await second.one.next('released')
    assert.ok(!existsSync(`${path}.lock`))
  })

  for (const [action, act] of Object.entries({
    'appends to its file': (lock) => lock.appendFile('too late\n'),
    'asserts that it holds': async (lock) => lock.assertHeld(),
    'looks at its signal, told or not': async (lock) => {
      if (!lock.signal.aborted) await new Promise((resolve) => lock.signal.addEventListener('abort', resolve))
      throw lock.signal.reason
    },
    'goes on in the work of withFileLock': 'work',
  })) {
    test(`and was succeeded is told before it does harm when it ${action}`, async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(path, 'before\n')
      const holding = child(
        t,
        `const { leasehold, send, next, args: { path, leaseMs } } = globalThis.test
         const alive = setInterval(() => {}, 1000)
         globalThis.process.on('warning', () => {})
         const act = ${act === 'work' ? 'undefined' : act}
         const told = (error) => send({ code: error.code, reason: error.reason })
         if (act) {
           const lock = await leasehold.acquireFileLock(path, { leaseMs })
           void lock.signal
           const go = next('go')
           send({ held: true })
           await go
           await act(lock).then(() => send({ code: 'nothing' }), told)
           await lock.release()
         } else {
           await leasehold.withFileLock(path, { leaseMs }, () => {
             send({ held: true })
             return next('go')
           }).then(() => send({ code: 'nothing' }), told)
         }
         clearInterval(alive)
         send({ released: true })`,
        { args: { path, leaseMs } },
      )
      await holding.next('held')
      await freeze(holding)
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      assert.equal(lock.recoveredFrom, 'lease-expired')
      const { ino } = statSync(lock.lockPath)
      holding.send({ go: true })
      holding.kill('SIGCONT')
      assert.deepEqual(await holding.next('code'), { code: 'file_lock_lost', reason: 'replaced' })
      await holding.next('released')
      assert.equal((await holding.exit).code, 0)
      assert.equal(readFileSync(path, 'utf8'), 'before\n')
      assert.equal(statSync(lock.lockPath).ino, ino)
      lock.assertHeld()
      await lock.release()
    })
  }
})
