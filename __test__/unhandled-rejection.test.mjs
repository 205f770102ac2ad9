// Row 4: a rejection that nobody handles, inside the work of a lock, in a process that lives on.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'

/** Work that hangs, reachably, after something inside it rejected. */
const failing = `(lock) => {
  Promise.reject(new Error('nobody handles this'))
  return new Promise((resolve) => (globalThis.resolvers ??= []).push(resolve))
}`

function gateway(t, source, args) {
  return child(
    t,
    `const { leasehold, send, next, args } = globalThis.test
     process.on('warning', ({ code, message }) => code?.startsWith('LEASEHOLD') && send({ code, message }))
     setInterval(() => {}, 60_000)
     ${source}`,
    { args },
  )
}

for (const [event, listener] of Object.entries({
  unhandledRejection: `process.on('unhandledRejection', () => {})`,
  uncaughtException: `process.on('uncaughtException', () => {})`,
})) {
  test(`with an ${event} handler only the failing call's lock is released, and told`, async (t) => {
    const directory = scratch(t)
    const [bad, good] = [join(directory, 'bad'), join(directory, 'good')]
    const process = gateway(
      t,
      `${listener}
       const healthy = leasehold.withFileLock(args.good, async (lock) => {
         send({ holding: true })
         await next('finish')
         lock.assertHeld()
         return 'well'
       })
       let signal
       const failed = leasehold.withFileLock(args.bad, (lock) => {
         signal = lock.signal
         signal.addEventListener('abort', () => send({ lost: signal.reason.reason, at: signal.reason.acquiredAt }))
         return (${failing})(lock)
       })
       await next('finish')
       globalThis.resolvers.forEach((resolve) => resolve())
       send({ rejected: await failed.then(() => null, (error) => error.code), healthy: await healthy })`,
      { bad, good },
    )
    await process.next('holding')
    const lock = await leasehold.acquireFileLock(bad)
    assert.equal((await process.next('lost')).lost, 'unhandled-rejection')
    assert.equal((await process.next('code')).code, 'LEASEHOLD_LOCK_LOST')
    await assert.rejects(leasehold.acquireFileLock(good, { timeoutMs: 1500 }), { code: 'file_lock_timeout' })
    process.send({ finish: 1 })
    process.send({ finish: 2 })
    assert.deepEqual(await process.next('rejected'), { rejected: 'file_lock_lost', healthy: 'well' })
    lock.assertHeld()
    await lock.release()
  })
}

test('a rejection that is handled within the grace changes nothing', async (t) => {
  const path = join(scratch(t), 'file')
  const process = gateway(
    t,
    `process.on('unhandledRejection', () => {})
     leasehold.withFileLock(args.path, async () => {
       send({ holding: true })
       const late = Promise.reject(new Error('handled a little later'))
       setTimeout(() => late.catch(() => {}), 20)
       await next('finish')
     }).then(() => send({ ended: true }), (error) => send({ ended: error.code }))`,
    { path },
  )
  await process.next('holding')
  await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 2500 }), { code: 'file_lock_timeout' })
  process.send({ finish: true })
  assert.equal((await process.next('ended')).ended, true)
})

test('nor does one of anything that is no error, where Node reports an error in place of it', async (t) => {
  const process = gateway(
    t,
    `process.on('uncaughtException', () => {})
     const reasons = [new Error('one'), 'a text', undefined, null, Symbol('one'), { code: 1 }, new DOMException('one')]
     let open = reasons.length
     let allHandled
     const handled = new Promise((resolve) => (allHandled = resolve))
     const works = reasons.map((reason, index) => leasehold.withFileLock(args.path + index, async (lock) => {
       const late = Promise.reject(reason)
       await new Promise((resolve) => setTimeout(resolve, 50))
       await late.catch(() => {})
       if ((open -= 1) === 0) setImmediate(allHandled) // Node tells of it in this turn
       await new Promise((resolve) => setTimeout(resolve, 1000))
       lock.assertHeld()
     }))
     // Nobody handles this one, and what others have handled is no excuse for it.
     works.push(leasehold.withFileLock(args.path, async ({ signal }) => {
       await handled
       void Promise.reject('nobody handles this')
       await new Promise((resolve) => signal.addEventListener('abort', resolve))
     }))
     const endings = works.map((work) => work.then(() => 'well', (error) => error.reason ?? error))
     send({ ended: await Promise.all(endings) })`,
    { path: join(scratch(t), 'file') },
  )
  assert.deepEqual((await process.next('ended')).ended, [...Array(7).fill('well'), 'unhandled-rejection'])
})

for (const event of ['unhandledRejection', 'uncaughtException']) {
  test(`a promise that refuses to make another of its class may be handled late: ${event}`, async (t) => {
    const process = gateway(
      t,
      `const heard = []
       process.on('${event}', ({ message }) => heard.push(message))
       class Demanding extends Promise {
         constructor(executor, token) {
           if (token === undefined) throw new Error('made by somebody else')
           super(executor)
         }
       }
       await leasehold.withFileLock(args.path, async () => {
         const told = new Promise((resolve) => process.once('rejectionHandled', () => resolve()))
         const late = new Demanding((_, reject) => reject(new Error('handled late')), 'token')
         await new Promise((resolve) => setTimeout(resolve, 20))
         Object.defineProperty(late, 'constructor', { value: Promise, configurable: true })
         late.catch(() => {})
         delete late.constructor
         await told
         await new Promise(setImmediate)
       })
       send({ heard })`,
      { path: join(scratch(t), 'file') },
    )
    assert.deepEqual((await process.next('heard')).heard, ['handled late'])
  })
}

test('a rejection that is handled as soon as a blocked event loop allows changes nothing', async (t) => {
  const process = gateway(
    t,
    `const { stat } = await import('node:fs/promises')
     process.on('unhandledRejection', () => {})
     const block = () => {
       const end = performance.now() + 1000
       while (performance.now() < end);
     }
     leasehold.withFileLock(args.path, async (lock) => {
       const early = Promise.reject(new Error('awaited after the files'))
       await new Promise((resolve) => setTimeout(resolve, 10))
       setImmediate(block)
       for (let files = 0; files < 5; files++) await stat(process.execPath)
       await early.catch(() => {})
       await new Promise((resolve) => setTimeout(resolve, 1000))
       lock.assertHeld()
     }).then(() => send({ ended: true }), (error) => send({ ended: error.code }))`,
    { path: join(scratch(t), 'file') },
  )
  assert.equal((await process.next('ended')).ended, true)
})

test('a rejection outside every lock, or after the work ended, releases nothing', async (t) => {
  const path = join(scratch(t), 'file')
  const process = gateway(
    t,
    `process.on('unhandledRejection', () => {})
     await leasehold.withFileLock(args.path, async () => {
       setTimeout(() => Promise.reject(new Error('left behind')), 100)
     })
     leasehold.withFileLock(args.path, () => {
       send({ holding: true })
       return next('finish')
     }).then(() => send({ ended: true }))
     Promise.reject(new Error('elsewhere'))`,
    { path },
  )
  await process.next('holding')
  await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 2500 }), { code: 'file_lock_timeout' })
  process.send({ finish: true })
  await process.next('ended')
})

test('onUnhandledRejection "ignore" keeps the lock', async (t) => {
  const path = join(scratch(t), 'file')
  const process = gateway(
    t,
    `process.on('unhandledRejection', () => {})
     leasehold.withFileLock(args.path, { onUnhandledRejection: 'ignore' }, (lock) => {
       send({ holding: true })
       return (${failing})(lock)
     })`,
    { path },
  )
  await process.next('holding')
  await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 2500 }), { code: 'file_lock_timeout' })
})

test('without any handler Node dies exactly as it would have, and the file is gone', async (t) => {
  const path = join(scratch(t), 'file')
  const run = (withLock) =>
    child(
      t,
      `const work = ${failing}
       if (${withLock}) await globalThis.test.leasehold.withFileLock(globalThis.test.args.path, work)
       else await work()
       setInterval(() => {}, 60_000)`,
      { args: { path } },
    ).exit
  const [ours, plain] = await Promise.all([run(true), run(false)])
  assert.equal(ours.code, plain.code)
  assert.equal(ours.signal, plain.signal)
  assert.match(ours.stderr, /nobody handles this/)
  assert.ok(!existsSync(`${path}.lock`))
})

test('our listener comes and goes with those of others', async (t) => {
  const path = join(scratch(t), 'file')
  const process = gateway(
    t,
    `const events = ['unhandledRejection', 'rejectionHandled']
     const count = () => events.map((event) => globalThis.process.listenerCount(event))
     const counts = [count()]
     await leasehold.withFileLock(args.path, () => {})
     counts.push(count())
     const other = () => {}
     for (let i = 0; i < 3; i++) {
       globalThis.process.on('unhandledRejection', other)
       counts.push(count())
       globalThis.process.off('unhandledRejection', other)
       counts.push(count())
     }
     send({ counts })`,
    { path },
  )
  const { counts } = await process.next('counts')
  assert.deepEqual(counts, [[0, 0], [0, 0], [2, 0], [0, 0], [2, 0], [0, 0], [2, 0], [0, 0]])
})
