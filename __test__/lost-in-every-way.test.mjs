// However work or a handle is lost, its lock comes back to a waiter without anybody's help.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, until, worker } from './support/index.mjs'

/** Work that can never end. Each is called in a holder, as the `fn` of a withFileLock. */
const works = {
  'a race of nothing and a time-out that was cleared': async () => {
    let timer
    const timeout = new Promise((_, reject) => (timer = setTimeout(reject, 60_000)))
    clearTimeout(timer)
    await Promise.race([new Promise(() => {}), timeout])
  },
  'all of several promises, one of which never settles': () =>
    Promise.all([Promise.resolve(1), new Promise(() => {}), new Promise((resolve) => setTimeout(resolve, 10))]),
  'an event of an emitter that is gone': async () => {
    const { EventEmitter, once } = await import('node:events')
    await once(new EventEmitter(), 'end')
  },
  'an event of an emitter that is gone, or a signal that nobody can abort': async () => {
    const { EventEmitter, once } = await import('node:events')
    await once(new EventEmitter(), 'end', { signal: new AbortController().signal })
  },
  'events of an emitter that is gone': async () => {
    const { EventEmitter, on } = await import('node:events')
    for await (const event of on(new EventEmitter(), 'data')) void event
  },
  'an asynchronous generator whose producer is gone': async () => {
    async function* produce() {
      yield 1
      await new Promise(() => {})
      yield 2
    }
    for await (const value of produce()) void value
  },
  'a readable stream whose producer is gone': async () => {
    const { Readable } = await import('node:stream')
    const source = new Readable({ read() {} })
    source.push('the first part')
    for await (const chunk of source) void chunk
  },
  'a pipeline whose source never ends': async () => {
    const { PassThrough, Transform, Writable, promises } = await import('node:stream')
    const source = new PassThrough()
    source.write('x')
    const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) })
    await promises.pipeline(source, upper, new Writable({ write: (_, __, done) => done() }))
  },
  'a sink that never says that it is done': async () => {
    const { Readable, Writable, promises } = await import('node:stream')
    await promises.pipeline(Readable.from(['a', 'b', 'c']), new Writable({ write() {} }))
  },
  'a web stream whose controller is gone': async () => {
    await new ReadableStream({}).getReader().read()
  },
  'the end of a stream that was destroyed before anybody listened': async () => {
    const { Readable } = await import('node:stream')
    const { once } = await import('node:events')
    const stream = new Readable({ read() {}, emitClose: false, autoDestroy: false })
    stream.destroy()
    await once(stream, 'end')
  },
  'the abort of a signal that nobody can abort': async () => {
    const { signal } = new AbortController()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
  },
  'nothing but the loss of its own lock': (lock) =>
    new Promise((_, reject) => lock.signal.addEventListener('abort', () => reject(lock.signal.reason))),
  'an event target that is gone': () =>
    new Promise((resolve) => new EventTarget().addEventListener('done', resolve, { once: true })),
  'a thenable that never answers': () => ({ then() {} }),
  'a queue of its own that nobody works off': async () => {
    const queue = []
    await new Promise((resolve, reject) => queue.push({ resolve, reject }))
  },
  'a deadlock of two promises': async () => {
    let other
    const one = (async () => {
      await null
      await other
    })()
    other = (async () => void (await one))()
    await one
  },
  'a callback that a mock swallows': async () => {
    const { promisify } = await import('node:util')
    await promisify((callback) => void callback)()
  },
  'an iterator of timers that was returned': async () => {
    const { setInterval: every } = await import('node:timers/promises')
    const ticks = every(10)
    await ticks.next()
    await ticks.return()
    await new Promise(() => {})
  },
  'nothing, in a store of another asynchronous scope': async (lock) => {
    const { AsyncLocalStorage } = await import('node:async_hooks')
    await new AsyncLocalStorage().run({ lock }, () => new Promise(() => {}))
  },
  'work inside work for the same file': async (lock) => {
    await globalThis.test.leasehold.withFileLock(lock.lockPath.slice(0, -5), () => new Promise(() => {}))
  },
}

/** Ways to lose a handle, each called in a holder. */
const drops = {
  'the lock path alone is kept': async ({ leasehold, path }) => {
    globalThis.lockPath = (await leasehold.acquireFileLock(path)).lockPath
  },
  'the token alone is kept': async ({ leasehold, path }) => {
    globalThis.token = (await leasehold.acquireFileLock(path)).token
  },
  'only a weak reference is kept': async ({ leasehold, path }) => {
    globalThis.weak = new WeakRef(await leasehold.acquireFileLock(path))
  },
  'it is the key of a live WeakMap': async ({ leasehold, path }) => {
    ;(globalThis.weakly = new WeakMap()).set(await leasehold.acquireFileLock(path), 'what it was for')
  },
  'a FinalizationRegistry watches it': async ({ leasehold, path }) => {
    ;(globalThis.registry = new FinalizationRegistry(() => {})).register(await leasehold.acquireFileLock(path), 1)
  },
  'a closure over it is dropped': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    const later = () => lock.release()
    void later
  },
  'it listens to its own loss': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    lock.signal.addEventListener('abort', () => lock.release())
  },
  'it is given back by a signal that nobody can abort': async ({ leasehold, path }) => {
    const { release } = await leasehold.acquireFileLock(path)
    new AbortController().signal.addEventListener('abort', release)
  },
  'it arrives after a race was lost': async ({ leasehold, path }) => {
    const first = await leasehold.acquireFileLock(path)
    await Promise.race([leasehold.acquireFileLock(path), new Promise((resolve) => setTimeout(resolve, 10))])
    await first.release()
  },
  'its timer was cleared': async ({ leasehold, path }) => {
    const lock = await leasehold.acquireFileLock(path)
    clearTimeout(setTimeout(() => lock.release(), 60_000))
  },
  'its class instance is dropped': async ({ leasehold, path }) => {
    class Session {
      #lock
      async open() {
        this.#lock = await leasehold.acquireSessionWriteLock({ sessionFile: path })
        return this
      }
      close() {
        return this.#lock.release()
      }
    }
    await new Session().open()
  },
  'it was acquired synchronously': async ({ leasehold, path }) => {
    leasehold.acquireFileLockSync(path)
  },
  'an append was its last use': async ({ leasehold, path }) => {
    await (await leasehold.acquireFileLock(path)).appendFile('x\n')
  },
  'both handles of a shared lock are dropped': async ({ leasehold, path }) => {
    await leasehold.acquireSessionWriteLock({ sessionFile: path })
    await leasehold.acquireSessionWriteLock({ sessionFile: path })
  },
  'an outer lock of two went with the inner one': async ({ leasehold, path }) => {
    leasehold.withFileLock(path, () => leasehold.withFileLock(`${path} inner`, () => new Promise(() => {})))
  },
}

const leaks = {
  ...Object.fromEntries(
    Object.entries(works).map(([name, work]) => [
      `work waits for ${name}`,
      `async ({ leasehold, path }) => void leasehold.withFileLock(path, ${work})`,
    ]),
  ),
  ...Object.fromEntries(Object.entries(drops).map(([name, drop]) => [`a handle is lost: ${name}`, `${drop}`])),
}

/** Loses all locks in `directory` at once; the files are numbered. */
const leakAll = `async ({ leasehold, send, args: { directory } }) => {
  const { basename } = await import('node:path')
  const had = new Set()
  const note = ({ lockPath }) => had.add(basename(lockPath))
  ;(await import('node:diagnostics_channel')).subscribe('leasehold:acquired', note)
  let leaked = 0
  globalThis.process.on('warning', ({ code }) => code === 'LEASEHOLD_LOCK_LEAKED' && send({ told: (leaked += 1) }))
  setInterval(() => {}, 60_000)
  const leaks = [${Object.values(leaks)}]
  for (const [index, leak] of leaks.entries()) await leak({ leasehold, path: directory + '/' + index })
  // Until whatever they do before they hang is done. The first may have come back by then.
  while (!leaks.every((_, index) => had.has(index + '.lock'))) await new Promise((resolve) => setTimeout(resolve, 5))
  await new Promise((resolve) => setTimeout(resolve, 100))
  send({ lost: leaks.length })
}`

/** Waits until all locks in `directory` have come back; fails with the names of those that do not. */
async function comeBack(directory, timeoutMs = 15_000) {
  const names = Object.keys(leaks)
  const asked = await Promise.allSettled(
    names.map(async (_, index) => {
      const lock = await leasehold.acquireFileLock(join(directory, `${index}`), { timeoutMs })
      await lock.release()
    }),
  )
  assert.deepEqual(names.filter((_, index) => asked[index].status === 'rejected'), [])
}

describe('a lost lock comes back', { concurrency: 2 }, () => {
  test('to waiters in another process', async (t) => {
    const directory = scratch(t)
    const holding = child(t, `await (${leakAll})(globalThis.test)`, { args: { directory } })
    await holding.next('lost')
    await comeBack(directory)
    await until(() => holding.drain().some(({ told }) => told >= Object.keys(leaks).length))
  })

  test('from a worker, to waiters in the main thread', async (t) => {
    const directory = scratch(t)
    const source = `(test) => {
      globalThis.test = test
      return (${leakAll})(test)
    }`
    const holding = worker(t, source, { args: { directory }, stderr: true })
    await holding.next('lost')
    await comeBack(directory)
  })

  test('from the main thread, to a worker that waits', async (t) => {
    const directory = scratch(t)
    const program = child(
      t,
      `const { Worker } = await import('node:worker_threads')
       const { leasehold, send, addonUrl } = globalThis.test
       const { fileURLToPath } = await import('node:url')
       await (${leakAll})(globalThis.test)
       const source = \`
         const { parentPort, workerData } = require('node:worker_threads')
         const { acquireFileLock } = require(workerData.addon)
         const ask = async (index) => (await acquireFileLock(workerData.directory + '/' + index)).release()
         Promise.all([...Array(workerData.count).keys()].map(ask)).then(
           () => parentPort.postMessage({ back: true }), (error) => parentPort.postMessage({ back: error.message }))\`
       const workerData = { addon: fileURLToPath(addonUrl), count: ${Object.keys(leaks).length},
         directory: globalThis.test.args.directory }
       new Worker(source, { eval: true, execArgv: [], workerData }).on('message', send)`,
      { args: { directory } },
    )
    assert.deepEqual(await program.next('back'), { back: true })
  })

  for (const [name, occupation] of Object.entries({
    'whose heap is half a gigabyte': `globalThis.ballast = Array.from({ length: 7e6 }, (_, i) => ({ i, text: [i] }))`,
    'whose event loop is busy for four fifths of the time': `setInterval(() => {
      const end = performance.now() + 40
      while (performance.now() < end);
    }, 50)`,
  })) {
    test(`from a process ${name}`, async (t) => {
      const directory = scratch(t)
      const source = `${occupation}
        await (${leakAll})(globalThis.test)`
      const holding = child(t, source, { args: { directory }, nodeArgs: ['--max-old-space-size=2000'] })
      await holding.next('lost')
      await comeBack(directory, 60_000)
    })
  }
})
