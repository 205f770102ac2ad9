// Holding a lock keeps no finished process alive; waiting for one does, like any other wait, until it settles.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, holder, scratch, sleep, until } from './support/index.mjs'

/** Waits for the exit of a process that has nothing left to do; fails if it does not end. */
async function finished(one) {
  const tooLong = setTimeout(() => one.kill(), 20_000)
  const { code, signal, stderr } = await one.exit
  clearTimeout(tooLong)
  assert.deepEqual([code, signal], [0, null], stderr)
}

for (const [name, act] of [
  [
    'holds a lock',
    async ({ leasehold, args: { path } }) => {
      globalThis.kept = await leasehold.acquireFileLock(path)
    },
  ],
  [
    'holds a session lock',
    async ({ leasehold, args: { path } }) => {
      globalThis.kept = await leasehold.acquireSessionWriteLock({ sessionFile: path })
    },
  ],
  [
    'has work in withFileLock that never settles',
    ({ leasehold, args: { path } }) => {
      globalThis.kept = leasehold.withFileLock(path, () => new Promise((resolve) => (globalThis.resolve = resolve)))
    },
  ],
  [
    'listens for the loss of a lock',
    async ({ leasehold, args: { path } }) => {
      const lock = await leasehold.acquireFileLock(path)
      lock.signal.addEventListener('abort', () => {})
    },
  ],
  ['inspected a lock', async ({ leasehold, args: { path } }) => void (await leasehold.inspectLock(path))],
  [
    'has its lock waited for by another process',
    async ({ leasehold, send, next, args: { path } }) => {
      globalThis.kept = await leasehold.acquireFileLock(path)
      send({ held: true })
      await next('awaited')
      process.stdin.destroy()
    },
  ],
]) {
  test(`a process that ${name} ends when it has nothing else to do`, async (t) => {
    const path = join(scratch(t), 'file')
    const one = child(t, act, { args: { path } })
    if (name.includes('another process')) {
      await one.next('held')
      const other = child(
        t,
        async ({ leasehold, send, args: { path } }) => {
          send({ waiting: true })
          await (await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })).release()
          send({ had: true })
        },
        { args: { path } },
      )
      await other.next('waiting')
      one.send({ awaited: true })
      await finished(one)
      await other.next('had')
    }
    await finished(one)
    assert.ok(!existsSync(`${path}.lock`))
  })
}

test('a process that waits for a lock lives until it has it, and no longer', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = await holder(t, path)
  const one = child(
    t,
    ({ leasehold, send, args: { path } }) => {
      void leasehold.acquireFileLock(path, { timeoutMs: 60_000 }).then((lock) => {
        globalThis.kept = lock
        send({ acquired: true })
      })
      send({ waiting: true })
    },
    { args: { path } },
  )
  await one.next('waiting')
  let ended = false
  void one.exit.then(() => (ended = true))
  await sleep(700)
  assert.ok(!ended, 'it waits')
  await holding.release()
  await one.next('acquired')
  await finished(one)
})

for (const [name, options] of [
  ['times out', { timeoutMs: 300 }],
  ['is aborted', { timeoutMs: 60_000, abortAfter: 300 }],
]) {
  test(`a process whose wait ${name} ends then`, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = await holder(t, path)
    const one = child(
      t,
      ({ leasehold, send, args: { path, abortAfter, ...options } }) => {
        const signal = abortAfter && AbortSignal.timeout(abortAfter)
        const acquired = leasehold.acquireFileLock(path, { ...options, signal })
        void acquired.catch(({ name, code }) => send({ failed: name === 'TimeoutError' ? name : code }))
        // Signal timeouts keep no process alive: if the wait does not either, this process ends too early.
        setTimeout(() => {}, 1)
      },
      { args: { path, ...options } },
    )
    assert.equal((await one.next('failed')).failed, options.abortAfter ? 'TimeoutError' : 'file_lock_timeout')
    await finished(one)
    await holding.release()
  })
}

test('a worker that holds a lock ends when it has nothing else to do', async (t) => {
  const path = join(scratch(t), 'file')
  const one = child(
    t,
    `const { args: { path }, addonUrl, send } = globalThis.test
    const { Worker } = await import('node:worker_threads')
    const source = \`
      const { workerData } = require('node:worker_threads')
      const leasehold = require(require('node:url').fileURLToPath(workerData.addonUrl))
      leasehold.acquireFileLock(workerData.path).then((lock) => (globalThis.kept = lock))\`
    const worker = new Worker(source, { eval: true, execArgv: [], workerData: { path, addonUrl } })
    worker.once('exit', (code) => send({ code }))`,
    { args: { path } },
  )
  assert.deepEqual(await one.next('code'), { code: 0 })
  await finished(one)
  await until(() => !existsSync(`${path}.lock`))
})
