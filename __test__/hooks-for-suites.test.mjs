// The hooks that test suites written against OpenClaw's locks call between tests, and the state that they inspect.

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, holder, leasehold, scratch, worker } from './support/index.mjs'
import { SIGNALS, onWindows } from './support/platform.mjs'

/** OpenClaw's signals, as far as this platform has them. */
const signals = onWindows ? ['SIGINT'] : ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGABRT']
const { __testing, acquireFileLock, acquireSessionWriteLock, heldLocks, withFileLock } = leasehold

const kinds = {
  file: {
    acquire: (path, options) => acquireFileLock(path, options),
    resets: [leasehold.resetFileLockStateForTest, leasehold.drainFileLockStateForTest],
    timeout: 'file_lock_timeout',
  },
  session: {
    acquire: (path, options) => acquireSessionWriteLock({ sessionFile: path, allowReentrant: false, ...options }),
    resets: [leasehold.resetSessionWriteLockStateForTest, leasehold.drainSessionWriteLockStateForTest],
    timeout: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT',
  },
}

for (const [kind, { acquire, resets, timeout }] of Object.entries(kinds)) {
  const other = kinds[kind === 'file' ? 'session' : 'file']
  for (const reset of resets) {
    describe(reset.name, () => {
      test('takes the locks of its kind away, and no others', async (t) => {
        const directory = scratch(t)
        const lock = await acquire(join(directory, 'a'))
        const kept = await other.acquire(join(directory, 'b'))
        await reset()
        assert.deepEqual(readdirSync(directory), ['b.lock'])
        assert.equal(lock.held, false)
        await lock.release()
        kept.assertHeld()
        await kept.release()
        await (await acquire(join(directory, 'a'), { timeoutMs: 1000 })).release()
      })

      test('ends the waiting for such locks, and no other', { timeout: 60_000 }, async (t) => {
        const directory = scratch(t)
        const foreign = await holder(t, join(directory, 'a'))
        const waiting = acquire(join(directory, 'a'), { timeoutMs: Infinity })
        const held = await other.acquire(join(directory, 'b'))
        const also = other.acquire(join(directory, 'b'), { timeoutMs: Infinity })
        await Promise.all([assert.rejects(waiting, { code: timeout }), until(() => reset())])
        await held.release()
        await (await also).release()
        await foreign.release()
      })

      test('takes our listeners away when nothing needs them, and the next lock brings them back', async (t) => {
        const directory = scratch(t)
        const events = ['exit', ...SIGNALS]
        const counts = () => events.map((event) => process.listenerCount(event))
        await reset()
        const before = counts()
        for (let round = 0; round < 3; round += 1) {
          const lock = await acquire(join(directory, 'a'))
          assert.deepEqual(counts(), before.map((count) => count + 1))
          const kept = await other.acquire(join(directory, 'b'))
          await lock.release()
          await reset()
          assert.deepEqual(counts(), before.map((count) => count + 1), 'another lock needs them')
          await kept.release()
          await reset()
          assert.deepEqual(counts(), before)
        }
      })
    })
  }
}

/** Calls `act` in the next turns of the event loop until it has been called a few times. */
async function until(act) {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise(setImmediate)
    await act()
  }
}

test('work whose lock a reset took away rejects with the loss', async (t) => {
  const path = join(scratch(t), 'a')
  const work = withFileLock(path, ({ signal }) => {
    leasehold.resetFileLockStateForTest()
    assert.ok(signal.aborted)
  })
  await assert.rejects(work, { code: 'file_lock_lost', reason: 'forced' })
})

test('in a worker, a reset concerns its own locks only', async (t) => {
  const directory = scratch(t)
  const own = await acquireFileLock(join(directory, 'main'))
  const thread = worker(
    t,
    async ({ leasehold, send, args: { directory } }) => {
      await leasehold.acquireFileLock(`${directory}/worker`)
      leasehold.resetFileLockStateForTest()
      send({ done: true })
    },
    { args: { directory } },
  )
  await thread.next('done')
  assert.deepEqual(readdirSync(directory), ['main.lock'])
  own.assertHeld()
  await own.release()
})

test('locks go on while a test suite has replaced the timers', async (t) => {
  const process = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const { mock } = await import('node:test')
      const { setTimeout: real } = await import('node:timers')
      const { acquireFileLock, withFileLock } = leasehold
      const sleep = (ms) => new Promise((resolve) => real(resolve, ms))
      globalThis.process.on('unhandledRejection', () => {})
      setInterval(() => {}, 60_000)
      mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
      for (let turn = 0; turn < 5; turn++) await withFileLock(path, () => sleep(5))
      const lock = await acquireFileLock(path)
      const waiting = acquireFileLock(path)
      real(lock.release, 50)
      await (await waiting).release()
      const failed = withFileLock(path, ({ signal }) => {
        void Promise.reject(new Error('nobody handles this'))
        return new Promise((resolve) => signal.addEventListener('abort', resolve))
      })
      send({ reason: await failed.catch(({ reason }) => reason) })
    },
    { args: { path: join(scratch(t), 'file') } },
  )
  assert.deepEqual(await process.next('reason'), { reason: 'unhandled-rejection' })
})

test('runLockWatchdogCheck takes away what is held too long at a given time, and counts it', async (t) => {
  const directory = scratch(t)
  const at = (name) => ({ sessionFile: join(directory, name) })
  leasehold.resetSessionWriteLockStateForTest()
  const short = await acquireSessionWriteLock({ ...at('short'), maxHoldMs: 60_000 })
  const long = await acquireSessionWriteLock({ ...at('long'), maxHoldMs: 600_000 })
  const file = await acquireFileLock(join(directory, 'file'), { maxHoldMs: 60_000 })
  assert.equal(await __testing.runLockWatchdogCheck(), 0)
  assert.equal(await __testing.runLockWatchdogCheck(Date.now() + 59_000), 0)
  assert.equal(await __testing.runLockWatchdogCheck(Date.now() + 61_000), 1)
  assert.deepEqual(readdirSync(directory), ['file.lock', 'long.lock'])
  assert.throws(() => short.assertHeld(), { code: 'file_lock_lost', reason: 'max-hold' })
  const next = await acquireSessionWriteLock(at('short'))
  await short.release()
  next.assertHeld()
  for (const lock of [next, long, file]) await lock.release()
})

test('runLockWatchdogCheck counts what the watchdog took away by itself', async (t) => {
  leasehold.resetSessionWriteLockStateForTest()
  const sessionFile = join(scratch(t), 'a')
  await acquireSessionWriteLock({ sessionFile, maxHoldMs: 1 })
  const next = await acquireSessionWriteLock({ sessionFile, allowReentrant: false })
  assert.equal(await __testing.runLockWatchdogCheck(), 1)
  assert.equal(await __testing.runLockWatchdogCheck(), 0)
  await next.release()
})

test('__testing.releaseAllLocksSync leaves no lock and returns nothing', async (t) => {
  const directory = scratch(t)
  const lock = await acquireSessionWriteLock({ sessionFile: join(directory, 'a') })
  assert.equal(__testing.releaseAllLocksSync(), undefined)
  assert.deepEqual([heldLocks(), readdirSync(directory)], [[], []])
  await lock.release()
})

test('cleanupSignals are those that are listened to', async (t) => {
  const lock = await acquireFileLock(join(scratch(t), 'a'))
  for (const signal of __testing.cleanupSignals) assert.ok(process.listenerCount(signal) > 0, signal)
  for (const signal of signals) assert.ok(__testing.cleanupSignals.includes(signal))
  await lock.release()
})

test('handleTerminationSignal releases everything, and kills a process in which nobody else listens', async (t) => {
  for (const signal of signals) {
    const path = join(scratch(t), 'a')
    const one = child(
      t,
      async ({ leasehold, send, next, args: { path, signal } }) => {
        const { existsSync } = await import('node:fs')
        const { __testing } = leasehold
        const never = next('never')
        globalThis.kept = await leasehold.acquireSessionWriteLock({ sessionFile: path })
        const other = () => process.exit(7)
        process.on(signal, other)
        __testing.handleTerminationSignal(signal)
        // Signals arrive in order: had `signal` been sent, it would have arrived by now. On Windows none can be sent.
        if (process.platform !== 'win32') {
          const heard = new Promise((resolve) => process.once('SIGUSR2', resolve))
          process.kill(process.pid, 'SIGUSR2')
          await heard
        }
        send({ gone: !existsSync(`${path}.lock`), listens: process.listeners(signal).includes(other) })
        process.off(signal, other)
        // No two signals arrive in the same turn of the event loop.
        await new Promise(setImmediate)
        __testing.handleTerminationSignal(signal)
        await never
      },
      { args: { path, signal } },
    )
    assert.deepEqual(await one.next('gone'), { gone: true, listens: true })
    const ended = await one.exit
    assert.ok(onWindows ? ended.code === 0xc000013a : ended.signal === signal, `${ended.code} ${ended.signal}`)
    assert.ok(!existsSync(`${path}.lock`))
  }
})
