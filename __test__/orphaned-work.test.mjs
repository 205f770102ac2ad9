// Work that can never end, and handles that nobody can reach, give their lock back by themselves.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { patience } from './support/platform.mjs'

/** Ways to lose a lock for good, each called in a child with the module and a path. */
const leaks = {
  'a promise that never settles': async ({ leasehold, path }) => {
    leasehold.withFileLock(path, () => new Promise(() => {}))
  },
  'an async function that never resumes, given its handle': async ({ leasehold, path }) => {
    leasehold.withFileLock(path, async (lock) => {
      await new Promise(() => {})
      lock.assertHeld()
    })
  },
  'a race won by a time-out': async ({ leasehold, path }) => {
    const timeout = new Promise((resolve) => setTimeout(resolve, 100))
    await Promise.race([leasehold.withFileLock(path, () => new Promise(() => {})), timeout])
  },
  'a handle that was dropped': async ({ leasehold, path }) => {
    await leasehold.acquireFileLock(path)
  },
  'a handle that was dropped after others were released': async ({ leasehold, path }) => {
    for (let count = 0; count < 100; count++) await (await leasehold.acquireFileLock(path)).release()
    await leasehold.acquireFileLock(path)
  },
  'a handle that was dropped after another of which the signal was kept': async ({ leasehold, path }) => {
    const before = await leasehold.acquireFileLock(path)
    globalThis.signal = before.signal
    await before.release()
    await leasehold.acquireFileLock(path)
  },
  'a destructured release that was dropped': async ({ leasehold, path }) => {
    const { release } = await leasehold.acquireSessionWriteLock({ sessionFile: path })
    void release
  },
  'an exception between acquire and try': async ({ leasehold, path }) => {
    const work = async () => {
      const lock = await leasehold.acquireSessionWriteLock({ sessionFile: path })
      JSON.parse('{')
      try {
        lock.assertHeld()
      } finally {
        await lock.release()
      }
    }
    await work().catch(() => {})
  },
  'an event emitter that is gone': async ({ leasehold, path }) => {
    const { EventEmitter, once } = await import('node:events')
    leasehold.withFileLock(path, () => once(new EventEmitter(), 'end'))
  },
  'a stream that never ends and is dropped': async ({ leasehold, path }) => {
    const { Readable } = await import('node:stream')
    leasehold.withFileLock(path, async () => {
      for await (const chunk of new Readable({ read() {} })) void chunk
    })
  },
  'a handle in the async context of the first call that waited': async ({ leasehold, path }) => {
    const { AsyncLocalStorage } = await import('node:async_hooks')
    globalThis.requests = new AsyncLocalStorage()
    const request = {}
    await globalThis.requests.run(request, async () => {
      request.lock = await leasehold.acquireFileLock(path)
    })
  },
  'work whose abort signal outlives it': async ({ leasehold, path }) => {
    globalThis.shutdown = new AbortController()
    leasehold.withFileLock(path, { signal: globalThis.shutdown.signal }, () => new Promise(() => {}))
  },
}

/** Room for all that a test allocates, so that V8 collects what is lost when asked to, and not by chance before. */
const ROOM = ['--min-semi-space-size=64', '--max-semi-space-size=64']

/** A live process that leaked a lock as `leak` does, otherwise occupied as `occupation` says. */
async function leaker(t, leak, occupation = '') {
  const path = join(scratch(t), 'session.jsonl')
  const process = child(
    t,
    `const { leasehold, send, args } = globalThis.test
     process.on('warning', ({ code, message }) => code?.startsWith('LEASEHOLD') && send({ code, message }))
     ${occupation}
     await (${leak})({ leasehold, path: args.path })
     setInterval(() => {}, 60_000)
     send({ leaked: true })`,
    { args: { path }, nodeArgs: ROOM },
  )
  await process.next('leaked')
  await until(() => existsSync(`${path}.lock`))
  return { process, path }
}

/** Waits in this process, with the default timeout; resolves to how long it waited. */
async function wait(path) {
  const asked = performance.now()
  const lock = await leasehold.acquireSessionWriteLock({ sessionFile: path, timeoutMs: 10_000 * patience })
  const waited = performance.now() - asked
  await lock.release()
  return waited
}

for (const [name, leak] of Object.entries(leaks)) {
  test(`rows 2 and 3: ${name}`, async (t) => {
    const { process, path } = await leaker(t, leak)
    await wait(path)
    const { message } = await process.next('code')
    assert.match(message, /lock leaked: .*session\.jsonl\.lock/)
    assert.ok(!existsSync(`${path}.lock`))
  })
}

for (const [name, occupation] of Object.entries({
  'with a large heap': 'globalThis.ballast = Array.from({ length: 4e6 }, (_, i) => ({ i, text: `item ${i}` }))',
  'while it is busy': 'setInterval(() => { const end = Date.now() + 40; while (Date.now() < end); }, 50)',
})) {
  test(`row 3: a dropped handle comes back ${name}`, async (t) => {
    const { path } = await leaker(t, leaks['a handle that was dropped'], occupation)
    await wait(path)
  })
}

test('row 3: a waiter in the same process gets a dropped lock back', async (t) => {
  const path = join(scratch(t), 'session.jsonl')
  const process = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      await leasehold.acquireFileLock(path)
      const lock = await leasehold.acquireFileLock(path)
      send({ token: lock.token })
      await lock.release()
    },
    { args: { path } },
  )
  await process.next('token')
  assert.equal((await process.exit).code, 0)
})

test('row 3: a worker collects its own lost handles', async (t) => {
  const { path } = await leaker(t, async ({ path }) => {
    const { Worker } = await import('node:worker_threads')
    const source = `const { workerData } = require('node:worker_threads')
      require(workerData.addon).acquireFileLock(workerData.path).then(() => setInterval(() => {}, 60_000))`
    const { fileURLToPath } = await import('node:url')
    const addon = fileURLToPath(globalThis.test.addonUrl)
    new Worker(source, { eval: true, execArgv: [], workerData: { addon, path } })
    const { existsSync } = await import('node:fs')
    while (!existsSync(`${path}.lock`)) await new Promise((resolve) => setTimeout(resolve, 5))
  })
  await wait(path)
})

test('row 3: a dropped handle comes back among many that are waited for, without a collection for each', async (t) => {
  const COUNT = 300
  const process = child(
    t,
    async ({ leasehold, send, args: { directory, count } }) => {
      const { PerformanceObserver, constants } = await import('node:perf_hooks')
      const { setTimeout: sleep } = await import('node:timers/promises')
      const isMajor = ({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
      let collections = 0
      const observer = new PerformanceObserver((list) => (collections += list.getEntries().filter(isMajor).length))
      observer.observe({ entryTypes: ['gc'] })
      const take = (index) => leasehold.acquireFileLock(`${directory}/${index}`)
      const locks = []
      // One after the other, so that they do not all become suspect at once; the lost one is the last.
      for (let index = 0; index < count; index += 1) {
        locks.push(await take(index))
        void take(index)
        await sleep(5)
      }
      await (async () => void (await take(count)))()
      await take(count)
      await sleep(0)
      send({ collections, held: locks.length })
      process.exit()
    },
    { args: { directory: scratch(t), count: COUNT } },
  )
  const { collections } = await process.next('collections')
  assert.ok(collections > 0, 'the lost one was collected')
  assert.ok(collections < COUNT / 10, `${collections} collections for ${COUNT} locks`)
  assert.equal((await process.exit).code, 0)
})

/** Ways to keep a lock reachable without doing anything with it. */
const reachable = {
  'in a map': async ({ leasehold, path }) => {
    globalThis.locks = new Map([[path, await leasehold.acquireFileLock(path)]])
  },
  'in a closure': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    globalThis.later = () => lock.release()
  },
  'as a destructured release': async ({ leasehold, path }) => {
    const { release } = await leasehold.acquireSessionWriteLock({ sessionFile: path })
    globalThis.later = release
  },
  'in a timer': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    setTimeout(() => lock.release(), 60_000)
  },
  'through the resolver of a pending promise': async ({ leasehold, path }) => {
    leasehold.withFileLock(path, () => new Promise((resolve) => (globalThis.later = resolve)))
  },
  'through a timer its work waits for': async ({ leasehold, path }) => {
    leasehold.withFileLock(path, () => new Promise((resolve) => setTimeout(resolve, 60_000)))
  },
  'through a listener on its loss signal': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    lock.signal.addEventListener('abort', () => lock.release())
    globalThis.later = lock
  },
  'through a child process its work waits for': async ({ leasehold, path }) => {
    const { spawn } = await import('node:child_process')
    const { once } = await import('node:events')
    const sleeper = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 30_000)'])
    leasehold.withFileLock(path, () => once(sleeper, 'exit'))
    globalThis.later = () => sleeper.kill()
  },
}

// One waiter each, all at once: each waits out its timeout while the holders are asked to collect.
test('a lock that anything can still reach is never taken for lost', async (t) => {
  await Promise.all(
    Object.entries(reachable).map(async ([name, keep]) => {
      const { process, path } = await leaker(t, keep)
      await assert.rejects(
        leasehold.acquireFileLock(path, { timeoutMs: 7000 }),
        { code: 'file_lock_timeout' },
        `kept ${name}`,
      )
      process.kill()
    }),
  )
})

test('without a waiter nobody is asked to collect, and the lock stays', async (t) => {
  const { process, path } = await leaker(t, leaks['a handle that was dropped'])
  await assert.rejects(process.next('code', { timeoutMs: 5000 / patience }))
  assert.ok(existsSync(`${path}.lock`))
})
