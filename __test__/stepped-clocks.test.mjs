// A lease is measured, not computed: clocks that are hours off, or jump by hours, neither shorten nor extend one.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { faketimeFiles } from './support/faketime.mjs'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'
import { noFaketime } from './support/platform.mjs'
import { stateOf } from './support/processes.mjs'

const library = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
].find((path) => existsSync(path))
const skip = noFaketime || (library ? false : 'libfaketime is not installed')

const HOUR = 3_600_000
const leaseMs = 900
const EXPIRY = leaseMs + (2 * leaseMs) / 3

// Only the wall clock jumps when it is set; the monotonic clock and the times of files run on.
const preloaded = { LD_PRELOAD: library, FAKETIME_DONT_FAKE_MONOTONIC: '1', NO_FAKE_STAT: '1' }

/** The environment of a process whose wall clock is off. */
const clockOff = (by) => ({ ...preloaded, FAKETIME: by })

/** A wall clock that can be set while it is used: `env` for a process, `set('+5h')` for all that have it. */
function clock(t) {
  const file = join(scratch(t), 'clock')
  let changes = 0
  const set = (to) => {
    writeFileSync(file, `${to}\n`)
    // So that the change is noticed, whatever the resolution of file times.
    utimesSync(file, 1_000_000 + (changes += 1), 1_000_000 + changes)
  }
  set('+0')
  // The file is read once a second: reading it whenever the clock is read would be far too slow.
  return { set, env: { ...preloaded, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' } }
}

const readRecord = (lockPath) => JSON.parse(readFileSync(lockPath, 'utf8'))

/** A process that waits for the lock of `path`, and then holds it until told otherwise. */
async function waiter(t, path, env) {
  const waiting = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      const acquired = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      send({ waiting: true, clock: Date.now() })
      const lock = await acquired
      send({ recoveredFrom: lock.recoveredFrom, token: lock.token })
      await next('release')
      await lock.release()
    },
    { args: { path }, env },
  )
  const { clock } = await waiting.next('waiting')
  return { ...waiting, clock }
}

async function freeze(one) {
  one.kill('SIGSTOP')
  await until(() => stateOf(one.pid) === 'T')
}

describe('clocks', { skip, concurrency: 4 }, () => {
  for (const jump of ['+5h', '-5h']) {
    test(`that jump by ${jump} under a living holder and its waiter`, async (t) => {
      const path = join(scratch(t), 'file')
      const times = clock(t)
      const holding = await holder(t, path, { leaseMs, env: times.env })
      const waiting = await waiter(t, path, times.env)
      const isOff = () => Math.abs(Date.parse(readRecord(holding.lockPath).createdAt) - Date.now()) > 4 * HOUR
      for (const [to, off] of [[jump, true], ['+0', false]]) {
        times.set(to)
        await until(() => isOff() === off)
        await sleep(EXPIRY)
      }
      assert.deepEqual(waiting.drain(), [], 'nobody got in')
      await holding.release()
      const { recoveredFrom, token } = await waiting.next('token')
      assert.equal(recoveredFrom, null)
      assert.ok(BigInt(token) > holding.token)
    })

    test(`that are ${jump} off with the holder, or the waiter, and one of them freezes`, async (t) => {
      const directory = scratch(t)
      const wrong = clockOff(jump)
      await Promise.all(
        [
          [wrong, {}],
          [{}, wrong],
        ].map(async ([holders, waiters], index) => {
          const path = join(directory, `${index}`)
          const holding = await holder(t, path, { leaseMs, env: holders })
          const waiting = await waiter(t, path, waiters)
          if (waiters === wrong) assert.ok(Math.abs(waiting.clock - Date.now()) > 4 * HOUR, 'its clock is wrong')
          await sleep(EXPIRY)
          assert.deepEqual(waiting.drain(), [], 'a living holder keeps it')
          await freeze(holding)
          const frozen = performance.now()
          const { recoveredFrom, token } = await waiting.next('token')
          const waited = performance.now() - frozen
          assert.equal(recoveredFrom, 'lease-expired')
          // When it froze, its last beat may have been almost a full interval ago.
          assert.ok(waited > EXPIRY - leaseMs / 3 - 100, `after ${waited} ms`)
          assert.ok(waited < 20_000, `after ${waited} ms`)
          assert.ok(BigInt(token) > holding.token)
        }),
      )
    })

    test(`that jump by ${jump} while the holder is frozen`, async (t) => {
      const path = join(scratch(t), 'file')
      const times = clock(t)
      const holding = await holder(t, path, { leaseMs: 2 * leaseMs, env: times.env })
      const waiting = await waiter(t, path, times.env)
      await freeze(holding)
      const frozen = performance.now()
      times.set(jump)
      assert.equal((await waiting.next('token')).recoveredFrom, 'lease-expired')
      const waited = performance.now() - frozen
      assert.ok(waited > 2 * (EXPIRY - leaseMs / 3) - 100, `after ${waited} ms`)
    })
  }

  test('of a holder that are hours off keep no lost lock', async (t) => {
    const directory = scratch(t)
    await Promise.all(
      ['+5h', '-5h'].map(async (offset) => {
        const path = join(directory, offset)
        const losing = child(
          t,
          async ({ leasehold, send, args: { path } }) => {
            await leasehold.acquireFileLock(path)
            setInterval(() => {}, 60_000)
            send({ lost: true })
          },
          { args: { path }, env: clockOff(offset) },
        )
        await losing.next('lost')
        await (await leasehold.acquireFileLock(path)).release()
      }),
    )
  })
})

test('processes with such a clock leave nothing behind when a test ends', { skip }, async (t) => {
  let pid
  await t.test('a killed one', async (t) => {
    const one = child(t, ({ send, next }) => (send({ ready: true }), next('end')), { env: clockOff('+5h') })
    pid = one.pid
    await one.next('ready')
    assert.notDeepEqual(faketimeFiles(pid), [])
  })
  assert.deepEqual(faketimeFiles(pid), [])
})
