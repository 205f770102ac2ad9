// A holder that is killed, at whatever moment, keeps nobody waiting and leaves nothing behind.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { after, child, holder, leasehold, scratch, until } from './support/index.mjs'
import { random } from './support/random.mjs'

/** Far below any timeout, lease or `stale`; far above what a loaded machine needs. */
const SOON = 4000

/** Whether a waiter has made itself known to the holder of `lockPath`. */
function isAwaited(lockPath) {
  const { atimeMs, mtimeMs } = statSync(lockPath)
  return atimeMs > mtimeMs
}

async function waiter(t, path) {
  const waiting = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      send({ waiting: true })
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      send({ recoveredFrom: lock.recoveredFrom ?? null, token: lock.token })
      await next('release')
      await lock.release()
    },
    { args: { path } },
  )
  await waiting.next('waiting')
  return waiting
}

test('a waiter gets in soon after the holder is killed, and learns why', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = await holder(t, path)
  const acquired = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
  await until(() => isAwaited(holding.lockPath))
  const killed = performance.now()
  holding.kill()
  const lock = await acquired
  assert.ok(performance.now() - killed < SOON, `${performance.now() - killed} ms`)
  assert.equal(lock.recoveredFrom, 'owner-died')
  assert.ok(lock.token > holding.token)
  await lock.release()
  assert.ok(!existsSync(holding.lockPath))
})

test('of several waiting processes one recovers the lock and the others take turns', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = await holder(t, path)
  const waiters = await Promise.all([1, 2, 3].map(() => waiter(t, path)))
  await until(() => isAwaited(holding.lockPath))
  const killed = performance.now()
  holding.kill()
  const answers = await Promise.all(
    waiters.map(async (waiting) => {
      const answer = await waiting.next('token')
      waiting.send({ release: true })
      return answer
    }),
  )
  assert.ok(performance.now() - killed < 2 * SOON, `${performance.now() - killed} ms`)
  assert.deepEqual(answers.map(({ recoveredFrom }) => recoveredFrom).sort(), [null, null, 'owner-died'])
  assert.equal(new Set(answers.map(({ token }) => token)).size, 3)
})

for (const [name, acquire] of [
  ['acquireFileLock', (path) => leasehold.acquireFileLock(path, { timeoutMs: SOON })],
  ['acquireFileLockSync', (path) => leasehold.acquireFileLockSync(path, { timeoutMs: SOON })],
  ['acquireSessionWriteLock', (path) => leasehold.acquireSessionWriteLock({ sessionFile: path, timeoutMs: SOON })],
]) {
  test(`${name} recovers the lock of a process that was killed while nobody waited`, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path)
    holding.kill()
    await holding.exit
    assert.ok(existsSync(holding.lockPath), 'a killed process cannot remove its lock file')
    const lock = await acquire(path)
    assert.equal(lock.recoveredFrom, 'owner-died')
    assert.ok(lock.token > holding.token)
    await lock.release()
    assert.ok(!existsSync(holding.lockPath))
  })
}

test('a process that the holder started, and that outlives it, does not keep its lock', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const { spawn } = await import('node:child_process')
      globalThis.lock = await leasehold.acquireFileLock(path)
      // Detached, or it would be killed with its parent on Windows.
      const args = ['--eval', 'setInterval(() => {}, 1000)']
      const heir = spawn(process.execPath, args, { stdio: 'ignore', detached: true })
      heir.once('spawn', () => send({ heir: heir.pid }))
    },
    { args: { path } },
  )
  const { heir } = await holding.next('heir')
  after(t, () => process.kill(heir))
  holding.kill()
  await holding.exit
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: SOON })
  assert.equal(lock.recoveredFrom, 'owner-died')
  assert.ok(process.kill(heir, 0), 'it is still there')
  await lock.release()
})

test('a lock handed from task to task is recovered like any other', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const first = await leasehold.acquireFileLock(path)
      const second = leasehold.acquireFileLock(path)
      await first.release()
      globalThis.kept = await second
      send({ token: globalThis.kept.token })
      setInterval(() => {}, 1000)
    },
    { args: { path } },
  )
  const { token } = await holding.next('token')
  holding.kill()
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: SOON })
  assert.equal(lock.recoveredFrom, 'owner-died')
  assert.ok(lock.token > BigInt(token), 'the token on disk is older than the one in use: still exceeded')
  await lock.release()
})

test('a storm of kills at random moments leaves the lock free, the directory clean, the counter true', async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'counter')
  writeFileSync(path, '0'.padStart(12))
  const chance = random(20260311)
  // Each cycle: read, hold for a moment, write back one more than was read, tell the parent.
  const worker = async ({ leasehold, send, args: { path } }) => {
    const { openSync, readFileSync, writeSync } = await import('node:fs')
    const count = () => Number(readFileSync(path, 'utf8'))
    const file = openSync(path, 'r+')
    for (;;) {
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
      const before = count()
      if (before % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 2))
      if (count() !== before) send({ intruder: before })
      writeSync(file, String(before + 1).padStart(12), 0) // one write: no kill can leave half of it
      send({ counted: before + 1 })
      await lock.release()
    }
  }
  const launch = () => child(t, worker, { args: { path } })
  const living = Array.from({ length: 3 }, launch)
  const told = []
  const kills = 30
  for (let killed = 0; killed < kills; killed += 1) {
    const index = chance(living.length)
    const victim = living[index]
    told.push(await victim.next()) // it runs, and the lock makes the rounds
    await new Promise((resolve) => setTimeout(resolve, chance(40)))
    victim.kill()
    living[index] = launch()
    told.push(...(await victim.exit, victim.drain()))
  }
  for (const last of living) {
    last.kill()
    await last.exit
    told.push(...last.drain())
  }
  assert.deepEqual(told.filter((message) => 'intruder' in message), [], 'two processes were inside at once')
  const counted = told.map((message) => message.counted)
  assert.equal(new Set(counted).size, counted.length, 'two processes counted to the same number')
  const final = Number(readFileSync(path, 'utf8'))
  assert.ok(counted.length >= kills && final >= Math.max(...counted), `${final} after ${Math.max(...counted)}`)
  // Each process killed between writing and telling has counted once, at most, without telling.
  assert.ok(final - counted.length <= kills + living.length, `${final} counted, ${counted.length} told`)

  const fresh = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const began = performance.now()
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 10_000 })
      const waited = performance.now() - began
      await lock.release()
      send({ waited })
    },
    { args: { path } },
  )
  const { waited } = await fresh.next('waited')
  assert.ok(waited < SOON, `${waited} ms`)
  assert.deepEqual(readdirSync(directory), ['counter'])
})
