// However a worker ends, the locks it held end with it, and the rest of the process goes on.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until, worker } from './support/index.mjs'
import { noSignals } from './support/platform.mjs'

const SOON = 4000

/** `[how the worker ends, what it does, what the other thread does]` */
const endings = [
  ['its work is done', () => {}],
  ['it throws', () => { throw new Error('boom') }],
  ['a promise of it rejects', () => void Promise.reject(new Error('boom'))],
  ['process.exit() in it', () => process.exit(3)],
  ['terminate() while it is idle', () => new Promise(() => setInterval(() => {}, 1000)), (one) => one.terminate()],
  ['terminate() while it computes', () => { for (;;); }, (one) => one.terminate()],
]

for (const [name, act, end] of endings) {
  test(`the locks of a worker are free when ${name}`, async (t) => {
    const path = join(scratch(t), 'file')
    const source = `async ({ leasehold, send, args: { path } }) => {
      globalThis.kept = [
        await leasehold.acquireFileLock(path),
        leasehold.acquireFileLockSync(path + '-synchronous'),
        await leasehold.acquireSessionWriteLock({ sessionFile: path + '-session' }),
      ]
      await new Promise((resolve) => void leasehold.withFileLock(path + '-callback', () => new Promise(resolve)))
      send({ held: true })
      await (${act})()
    }`
    // This thread holds it throughout: the end of a worker must not affect it.
    const ours = await leasehold.acquireFileLock(`${path}-ours`)
    const one = worker(t, source, { args: { path } })
    await one.next('held')
    const waiting = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    const began = performance.now()
    await end?.(one)
    await one.exit
    const lock = await waiting
    assert.ok(performance.now() - began < SOON, `${performance.now() - began} ms`)
    await until(() => !existsSync(`${path}-synchronous.lock`) && !existsSync(`${path}-session.lock`))
    assert.ok(!existsSync(`${path}-callback.lock`))
    assert.ok(lock.held && ours.held)
    ours.assertHeld()
    await lock.release()
    await ours.release()
  })
}

test('a worker that is terminated while it waits leaves the queue, and nobody behind it waits longer', async (t) => {
  const path = join(scratch(t), 'file')
  const held = await leasehold.acquireFileLock(path)
  const waits = async ({ leasehold, send, args: { path } }) => {
    send({ waiting: true })
    await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
    send({ acquired: true })
  }
  const one = worker(t, waits, { args: { path } })
  await one.next('waiting')
  await one.terminate()
  const behind = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
  await held.release()
  const lock = await behind
  assert.deepEqual(one.drain(), [])
  await lock.release()
  assert.ok(!existsSync(`${path}.lock`))
})

for (const [name, end, expected, skip] of [
  ['process.exit(4) on the main thread', () => process.exit(4), [4, null]],
  ['an exception on the main thread', () => { throw new Error('boom') }, [1, null]],
  ['SIGTERM', () => process.kill(process.pid, 'SIGTERM'), [null, 'SIGTERM'], noSignals],
]) {
  test(`${name} ends the locks of all workers, although the main thread took none`, { skip }, async (t) => {
    const path = join(scratch(t), 'file')
    const one = child(
      t,
      `const { args: { path }, addonUrl } = globalThis.test
      const { Worker } = await import('node:worker_threads')
      const source = \`
        const { parentPort, workerData } = require('node:worker_threads')
        const leasehold = require(require('node:url').fileURLToPath(workerData.addonUrl))
        leasehold.acquireFileLock(workerData.path).then((lock) => {
          globalThis.kept = lock
          parentPort.postMessage('held')
          setInterval(() => {}, 1000)
        })\`
      const worker = new Worker(source, { eval: true, execArgv: [], workerData: { path, addonUrl } })
      worker.once('message', (message) => {
        globalThis.test.send(message)
        return (${end})()
      })`,
      { args: { path } },
    )
    await one.next((message) => message === 'held')
    const { code, signal, stderr } = await one.exit
    assert.deepEqual([code, signal], expected, stderr)
    if (signal) {
      // Workers hear of no signals: the kernel frees the lock, and the next one takes it over.
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: SOON })
      assert.equal(lock.recoveredFrom, 'owner-died')
      await lock.release()
    }
    assert.ok(!existsSync(`${path}.lock`))
  })
}
