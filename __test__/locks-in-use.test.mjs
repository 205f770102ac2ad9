// A lock is in use as long as anything can still come back to it, however it is kept and whatever its work waits for:
// it is not given away, however long others wait and however often the holder is asked to collect garbage.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, worker } from './support/index.mjs'

/** Ways to keep a handle, each called in a holder. `keep` is a live object. */
const kept = {
  'in a map': async ({ lock, keep }) => void (keep.map = new Map([['lock', lock]])),
  'in a set of objects': async ({ lock, keep }) => void (keep.set = new Set([{ deep: { lock } }])),
  'in a WeakMap, under a live key': async ({ lock, keep }) => {
    keep.key = {}
    keep.weakly = new WeakMap([[keep.key, lock]])
  },
  'in a symbol property of a function': async ({ lock, keep }) => {
    keep.fn = Object.assign(() => {}, { [Symbol()]: lock })
  },
  'in a closure': async ({ lock, keep }) => void (keep.later = () => lock.release()),
  'in a bound method': async ({ lock, keep }) => void (keep.assertHeld = lock.assertHeld.bind(lock)),
  'by its release function alone': async ({ lock, keep }) => void (keep.release = lock.release),
  'by a copy of it': async ({ lock, keep }) => void (keep.copy = { ...lock }),
  'by its loss signal alone': async ({ lock, keep }) => void (keep.signal = lock.signal),
  'by a loss signal that an interval looks at': async ({ lock }) => {
    const { signal } = lock
    const timer = setInterval(() => signal.aborted && clearInterval(timer), 100)
  },
  'by its release function, in a listener of a live abort signal': async ({ lock, keep }) => {
    keep.controller = new AbortController()
    const { release } = lock
    keep.controller.signal.addEventListener('abort', () => release(), { once: true })
  },
  'by its release function, in a listener of an abort time-out': async ({ lock }) => {
    const { release } = lock
    AbortSignal.timeout(60_000).addEventListener('abort', () => release())
  },
  'in a timer': async ({ lock }) => void setTimeout(() => lock.release(), 60_000),
  'in a timer that keeps nothing alive': async ({ lock }) => void setTimeout(() => lock.release(), 60_000).unref(),
  'in an interval': async ({ lock }) => void setInterval(() => lock.held, 50),
  'in immediates that go on and on': async ({ lock }) => {
    const again = () => setTimeout(() => setImmediate(() => lock.held && again()), 20)
    again()
  },
  'in microtasks between timers': async ({ lock }) => {
    const again = () => setTimeout(() => queueMicrotask(() => lock.held && again()), 20)
    again()
  },
  'in a listener of a signal of the system': async ({ lock }) => void process.on('SIGUSR2', () => lock.release()),
  'in a listener for the exit': async ({ lock }) => void process.on('exit', () => lock.releaseSync()),
  'in a listener of a live emitter': async ({ lock, keep, EventEmitter }) => {
    keep.emitter = new EventEmitter().once('done', () => lock.release())
  },
  'in the store of a live asynchronous scope': async ({ lock, AsyncLocalStorage }) => {
    const storage = new AsyncLocalStorage()
    storage.run({ lock }, () => setInterval(() => storage.getStore().lock.held, 100))
  },
  'as what a FinalizationRegistry will be told': async ({ lock, keep }) => {
    keep.watched = {}
    keep.registry = new FinalizationRegistry((held) => held.release())
    keep.registry.register(keep.watched, lock)
  },
  'by one who dereferences it again and again': async ({ lock }) => {
    const weak = new WeakRef(lock)
    // Each deref keeps it until its job ends, and `strong` until the next.
    let strong = weak.deref()
    setInterval(() => (strong = weak.deref() ?? strong), 10)
  },
  'in a function that waits': async ({ lock, keep }) => {
    const work = async () => {
      try {
        await new Promise((resolve) => (keep.go = resolve))
      } finally {
        await lock.release()
      }
    }
    void work()
  },
  'in a suspended generator': async ({ lock, keep }) => {
    keep.generator = (function* () {
      try {
        yield 1
      } finally {
        lock.releaseSync()
      }
    })()
    keep.generator.next()
  },
  'with its own listener, by a live object': async ({ lock, keep }) => {
    lock.signal.addEventListener('abort', () => lock.release())
    keep.lock = lock
  },
}

/** What work can wait for without referring to its lock. */
const awaited = {
  'a timer': () => new Promise((resolve) => setTimeout(resolve, 60_000)),
  'an abort time-out': () =>
    new Promise((resolve) => AbortSignal.timeout(60_000).addEventListener('abort', resolve)),
  'a resolver in a map': ({ keep }) => new Promise((resolve) => (keep.resolvers = new Map([[1, resolve]]))),
  'a listener of a live emitter': ({ keep, EventEmitter, once }) => once((keep.working = new EventEmitter()), 'end'),
  'the listener of a live abort signal': ({ keep }) =>
    new Promise((resolve) => (keep.abortable = new AbortController()).signal.addEventListener('abort', resolve)),
  'a race that a live promise can still win': ({ keep }) =>
    Promise.race([new Promise(() => {}), new Promise((resolve) => (keep.win = resolve))]),
  'a promise that others wait for, too': async ({ keep }) => {
    keep.shared ??= new Promise((resolve) => (keep.resolveShared = resolve))
    await Promise.all([keep.shared, keep.shared.then(() => {})])
  },
  'the death of an object': ({ keep }) => {
    keep.mortal = {}
    return new Promise((resolve) => {
      keep.deaths = new FinalizationRegistry(resolve)
      keep.deaths.register(keep.mortal)
    })
  },
  'a thenable': ({ keep }) => ({ then: (resolve) => (keep.thenable = resolve) }),
  'a child process': async ({ keep, once }) => {
    const { spawn } = await import('node:child_process')
    const sleeper = spawn(process.execPath, SLEEP, { stdio: 'ignore' })
    keep.pids.push(sleeper.pid)
    await once(sleeper, 'exit')
  },
  'the output of a child process': async ({ keep }) => {
    const { spawn } = await import('node:child_process')
    const sleeper = spawn(process.execPath, SLEEP, { stdio: ['ignore', 'pipe', 'ignore'] })
    keep.pids.push(sleeper.pid)
    for await (const chunk of sleeper.stdout) void chunk
  },
  'a change of a file': async ({ directory }) => {
    const { watch } = await import('node:fs/promises')
    for await (const change of watch(directory, { recursive: false })) if (change.filename === 'never') break
  },
  'a change of a file, with a callback': async ({ directory }) => {
    const { watch } = await import('node:fs')
    await new Promise((resolve) => watch(directory, (_, name) => name === 'never' && resolve()))
  },
  'a change of a file that is polled for': async ({ directory }) => {
    const { watchFile } = await import('node:fs')
    await new Promise((resolve) => watchFile(directory, resolve))
  },
  'a connection to a server': async ({ once }) => {
    const { createServer } = await import('node:net')
    await once(createServer().listen(0), 'connection')
  },
  'an answer on a connection': async ({ once }) => {
    const { connect, createServer } = await import('node:net')
    const server = createServer(() => {}).listen(0)
    await once(server, 'listening')
    await once(connect(server.address().port, '127.0.0.1'), 'data')
  },
  'an answer to a fetch': async ({ once }) => {
    const { createServer } = await import('node:http')
    const server = createServer(() => {}).listen(0)
    await once(server, 'listening')
    await fetch(`http://127.0.0.1:${server.address().port}`)
  },
  'the body of a fetch': async ({ once, lock }) => {
    const { createServer } = await import('node:http')
    const server = createServer((_, response) => void response.write('a part of it')).listen(0)
    await once(server, 'listening')
    const response = await fetch(`http://127.0.0.1:${server.address().port}`, { signal: lock.signal })
    await response.text()
  },
  'a datagram': async ({ once }) => {
    const { createSocket } = await import('node:dgram')
    const socket = createSocket('udp4')
    socket.bind(0)
    await once(socket, 'message')
  },
  'a message from a worker': async ({ once }) => {
    const { Worker } = await import('node:worker_threads')
    await once(new Worker('setInterval(() => {}, 1000)', { eval: true, execArgv: [] }), 'message')
  },
  'a message on a port': async ({ keep, once }) => {
    const { port1, port2 } = new MessageChannel()
    keep.port = port2
    await once(port1, 'message')
  },
  'a broadcast': () => new Promise((resolve) => (new BroadcastChannel('news').onmessage = resolve)),
  'a compression that goes on': async ({ keep }) => {
    const { createGzip } = await import('node:zlib')
    keep.gzip = createGzip()
    keep.gzip.write('the first part')
    for await (const chunk of keep.gzip) void chunk
  },
  'computations in other threads': async ({ keep }) => {
    const { pbkdf2 } = await import('node:crypto')
    const { promisify } = await import('node:util')
    while (!keep.done) await promisify(pbkdf2)('password', 'salt', 20_000, 64, 'sha512')
  },
  'names to be looked up, again and again': async ({ keep }) => {
    const { lookup } = await import('node:dns/promises')
    const { setTimeout: sleep } = await import('node:timers/promises')
    while (!keep.done) await Promise.allSettled([lookup('localhost'), sleep(20)])
  },
  'files to be read, again and again': async ({ keep, directory }) => {
    const { readFile, writeFile } = await import('node:fs/promises')
    await writeFile(`${directory}/text`, 'again')
    while (!keep.done) await readFile(`${directory}/text`)
  },
  'ticks of an iterator': async () => {
    const { setInterval: every } = await import('node:timers/promises')
    for await (const tick of every(50)) void tick
  },
  'a stream that a timer feeds': async () => {
    const { Readable, promises, Writable } = await import('node:stream')
    const source = new Readable({ read() {} })
    setInterval(() => source.push('x'), 50)
    await promises.pipeline(source, new Writable({ write: (_, __, done) => done() }))
  },
  'a web stream that a timer feeds': async () => {
    const source = new ReadableStream({ start: (controller) => void setInterval(() => controller.enqueue('x'), 50) })
    for await (const chunk of source) void chunk
  },
  'another lock': async ({ leasehold, directory, keep }) => {
    keep.other = await leasehold.acquireFileLock(`${directory}/other`)
    await leasehold.acquireFileLock(`${directory}/other`, { timeoutMs: 60_000 })
  },
  'work inside it for the same file': ({ leasehold, path }) =>
    leasehold.withFileLock(path, () => new Promise((resolve) => setTimeout(resolve, 60_000))),
  'the end of its own work, started beside it': ({ leasehold, path }) =>
    void leasehold.withFileLock(path, () => new Promise((resolve) => setTimeout(resolve, 60_000))),
  'a diagnostics channel': async ({ keep }) => {
    const { subscribe } = await import('node:diagnostics_channel')
    await new Promise((resolve) => subscribe('leasehold-test', (keep.listener = resolve)))
  },
}

const text = (ways) => `{${Object.entries(ways).map(([name, way]) => `${JSON.stringify(name)}: ${way}`)}}`

/** Keeps locks in all these ways, then answers whether each is held, as often as it is asked. */
const holdAll = `async (test) => {
  const SLEEP = ['--eval', 'setTimeout(() => {}, 60000)']
  const { leasehold, send, next, args: { directory } } = test
  const { EventEmitter, once } = await import('node:events')
  const { AsyncLocalStorage } = await import('node:async_hooks')
  const { mkdirSync } = await import('node:fs')
  const keep = (globalThis.keep = { pids: [] })
  const warned = []
  process.on('warning', ({ code, message }) => code?.startsWith('LEASEHOLD') && warned.push(message))
  process.on('exit', () => keep.pids.forEach((pid) => process.kill(pid)))
  const tools = { EventEmitter, once, AsyncLocalStorage, leasehold, keep }
  let index = 0
  for (const way of Object.values(${text(kept)})) {
    await way({ ...tools, lock: await leasehold.acquireFileLock(directory + '/' + index++) })
  }
  for (const wait of Object.values(${text(awaited)})) {
    const own = directory + '/' + index++
    const path = own + '.d/file'
    await new Promise((resolve) => {
      // The lock is for all that fn knows of it another one's: only what it waits for keeps it.
      leasehold.withFileLock(own, (lock) => {
        mkdirSync(own + '.d')
        resolve()
        return wait({ ...tools, directory: own + '.d', path: own, get lock() { return lock } })
      }).catch((error) => send({ failed: error.stack }))
    })
  }
  send({ held: index })
  await next('finish')
  send({ warned, held: leasehold.heldLocks().map(({ targetPath }) => targetPath) })
  process.exit()
}`

const names = [
  ...Object.keys(kept).map((way) => `kept ${way}`),
  ...Object.keys(awaited).map((what) => `waits for ${what}`),
]

/** The names of those locks that somebody else gets within `timeoutMs`. */
async function given(directory, timeoutMs) {
  const asked = await Promise.allSettled(
    names.map((_, index) => leasehold.acquireFileLock(join(directory, `${index}`), { timeoutMs })),
  )
  return names.filter((_, index) => asked[index].status === 'fulfilled')
}

// Requests to collect garbage come after 1, 2, 4 and 8 seconds.
const PATIENCE_MS = 9000

describe('a lock in use stays', { concurrency: 2 }, () => {
  for (const [thread, start] of Object.entries({
    'the main thread': (t, args) => child(t, `await (${holdAll})(globalThis.test)`, { args }),
    'a worker': (t, args) => worker(t, holdAll, { args, stderr: true }),
  })) {
    test(`in ${thread}`, async (t) => {
      const directory = scratch(t)
      const holding = start(t, { directory })
      await holding.next('held')
      assert.deepEqual(await given(directory, PATIENCE_MS), [])
      holding.send({ finish: true })
      const { held, warned } = await holding.next('held')
      assert.deepEqual(warned, [])
      assert.ok(held.length >= names.length, `${held.length} of ${names.length}`)
      assert.deepEqual(holding.drain(), [])
    })
  }
})
