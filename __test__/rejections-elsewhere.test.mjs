// A rejection that nobody handles takes the lock only from the work inside which its promise was made, wherever it is
// reported. This holds on every version of Node, although they differ in what they know about it.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, scratch, worker } from './support/index.mjs'
import { patience } from './support/platform.mjs'

/**
 * The work of two locks, `a` and `b`, waits for something reachable. `way` makes a promise reject somewhere; then the
 * holder reports which of the locks are still held.
 */
const hold = `async ({ leasehold, send, args: { directory, listener, way } }) => {
  const alive = setInterval(() => {}, 60_000)
  globalThis.process.on('warning', () => {})
  const { AsyncLocalStorage } = await import('node:async_hooks')
  const { EventEmitter } = await import('node:events')
  const outside = AsyncLocalStorage.snapshot?.() ?? ((fn) => fn())
  if (listener === 'capture') globalThis.process.setUncaughtExceptionCaptureCallback(() => {})
  else globalThis.process.on(listener, () => {})
  const before = {}
  before.promise = new Promise((_, reject) => (before.reject = reject))
  const stuck = new Set()
  const locks = {}
  const call = {}
  const start = (name) => new Promise((resolve) => {
    leasehold.withFileLock(directory + '/' + name, (lock) => {
      locks[name] = lock
      // Calls something inside this work, later.
      const emitter = new EventEmitter().on('call', (fn) => fn())
      const timer = setInterval(() => call[name]?.(), 5)
      call[name] = undefined
      resolve()
      return new Promise((done) => stuck.add(done))
    }).catch(() => {})
  })
  await start('a')
  await start('b')
  const inside = (name, fn) => new Promise((resolve, reject) => {
    call[name] = async () => {
      call[name] = undefined
      try { resolve({ value: fn() }) } catch (error) { reject(error) }
    }
  })
  const ways = {
    'made in one work, rejected in the other': async () => {
      let reject
      await inside('a', () => void new Promise((_, no) => (reject = no)))
      await inside('b', () => reject(new Error('from b')))
    },
    'made before all work, rejected in one': async () => {
      await inside('b', () => before.reject(new Error('from b')))
    },
    'made and rejected outside, while both work': async () => {
      Promise.reject(new Error('elsewhere'))
    },
    'made and rejected inside one': async () => {
      await inside('a', () => void Promise.reject(new Error('of a')))
    },
    'made inside one, by an async function': async () => {
      await inside('a', () => void (async () => { await null; throw new Error('of a') })())
    },
    'made inside one, while it settles what others wait for': async () => {
      let resolve
      new Promise((yes) => (resolve = yes))
      await inside('a', () => { resolve(); Promise.reject(new Error('of a')) })
    },
    'made inside one, in a microtask': async () => {
      await inside('a', () => queueMicrotask(() => void Promise.reject(new Error('of a'))))
    },
    'made inside one, in a timer': async () => {
      await inside('a', () => void setTimeout(() => void Promise.reject(new Error('of a')), 10))
    },
    'made inside one, by an iterator that fails': async () => {
      await inside('a', () => void (async () => {
        for await (const value of (async function* () { yield 1; throw new Error('of a') })()) void value
      })())
    },
    'handled a little later': async () => {
      await inside('a', () => {
        const late = Promise.reject(new Error('handled'))
        setTimeout(() => late.catch(() => {}), 100)
      })
    },
    'handled a little later by a race': async () => {
      await inside('a', () => {
        const late = Promise.reject(new Error('handled'))
        setTimeout(() => Promise.race([late, new Promise(() => {})]).catch(() => {}), 100)
      })
    },
  }
  await ways[way]()
  await new Promise((resolve) => setTimeout(resolve, ${1200 * patience}))
  send({ kept: Object.keys(locks).filter((name) => locks[name].held) })
  clearInterval(alive)
  globalThis.process.exit()
}`

/** Which of the two keep their locks. */
const expected = {
  'made in one work, rejected in the other': ['b'],
  'made before all work, rejected in one': ['a', 'b'],
  'made and rejected outside, while both work': ['a', 'b'],
  'made and rejected inside one': ['b'],
  'made inside one, by an async function': ['b'],
  'made inside one, while it settles what others wait for': ['b'],
  'made inside one, in a microtask': ['b'],
  'made inside one, in a timer': ['b'],
  'made inside one, by an iterator that fails': ['b'],
  'handled a little later': ['a', 'b'],
  'handled a little later by a race': ['a', 'b'],
}

for (const listener of ['unhandledRejection', 'uncaughtException', 'capture']) {
  describe(`in a process that survives by ${listener}`, { concurrency: 3 }, () => {
    for (const [way, kept] of Object.entries(expected)) {
      if (listener === 'capture' && !/^made/.test(way)) continue
      test(`a rejection ${way}`, async (t) => {
        const process = child(t, `await (${hold})(globalThis.test)`, { args: { directory: scratch(t), listener, way } })
        const answer = (await process.next('kept')).kept
        // Without its promise, a rejection elsewhere cannot be traced to the work that made it: then it is nobody's.
        const unknown = listener !== 'unhandledRejection' && way === 'made in one work, rejected in the other'
        if (unknown) assert.ok(answer.includes('b'), `${answer}`)
        else assert.deepEqual(answer, kept)
      })
    }
  })
}

test('made before all work and rejected in one, after a one-time listener has heard of another', async (t) => {
  const process = child(
    t,
    async ({ leasehold, send, next, args: { path, grace } }) => {
      setInterval(() => {}, 60_000)
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
      process.on('warning', () => {})
      process.on('uncaughtException', ({ message }) => send({ uncaught: message }))
      process.once('unhandledRejection', ({ message }) => send({ unhandled: message }))
      let reject
      void new Promise((_, no) => (reject = no))
      const first = new Promise((resolve) => setTimeout(() => {
        Promise.reject(new Error('first'))
        setImmediate(resolve)
      }, 20))
      const ended = leasehold.withFileLock(path, async (lock) => {
        await first
        reject(new Error('made elsewhere'))
        await sleep(grace)
        send({ kept: lock.held })
        void Promise.reject(new Error('made here'))
        await new Promise((resolve) => lock.signal.addEventListener('abort', resolve))
      })
      send({ reason: await ended.catch(({ reason }) => reason) })
    },
    { args: { path: join(scratch(t), 'file'), grace: 1200 * patience } },
  )
  assert.deepEqual(await process.next('unhandled'), { unhandled: 'first' })
  assert.deepEqual(await process.next('uncaught'), { uncaught: 'made elsewhere' })
  assert.deepEqual(await process.next('kept'), { kept: true })
  assert.deepEqual(await process.next('reason'), { reason: 'unhandled-rejection' })
})

test('promises are not watched for work that lost its lock and never ends', async (t) => {
  const process = child(
    t,
    async ({ leasehold, send, args: { directory } }) => {
      setInterval(() => {}, 60_000)
      const { promiseHooks } = (await import('node:v8')).default
      let watching = 0
      for (const name of ['onInit', 'onSettled']) {
        const hook = promiseHooks[name]
        promiseHooks[name] = (fn) => {
          watching += 1
          const stop = hook(fn)
          return () => {
            watching -= 1
            stop()
          }
        }
      }
      process.on('unhandledRejection', () => {})
      const warned = (code) => new Promise((resolve) => {
        process.on('warning', (warning) => warning.code === code && resolve())
      })
      const stuck = (name, options, fn) => {
        leasehold.withFileLock(`${directory}/${name}`, options, fn).catch(() => {})
      }
      const lost = warned('LEASEHOLD_LOCK_LOST')
      stuck('lost', { maxHoldMs: 200 }, () => new Promise((resolve) => (globalThis.resolve = resolve)))
      await lost
      const afterLoss = watching
      const leaked = warned('LEASEHOLD_LOCK_LEAKED')
      stuck('leaked', {}, () => new Promise(() => {}))
      await (await leasehold.acquireFileLock(`${directory}/leaked`)).release()
      await leaked
      send({ afterLoss, afterLeak: watching })
    },
    { args: { directory: scratch(t) } },
  )
  assert.deepEqual(await process.next('afterLoss'), { afterLoss: 0, afterLeak: 0 })
})

test('in a worker', async (t) => {
  const directory = scratch(t)
  const answers = await Promise.all(
    ['made inside one, in a timer', 'made in one work, rejected in the other'].map(async (way, index) => {
      const args = { directory: join(directory, `${index}`), listener: 'unhandledRejection', way }
      return (await worker(t, hold, { args, stderr: true }).next('kept')).kept
    }),
  )
  assert.deepEqual(answers, [['b'], ['b']])
})
