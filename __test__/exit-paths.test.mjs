// However a process ends, its lock files end with it, and it ends as it would have without us.

import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { noSignals as skip, onWindows } from './support/platform.mjs'

/** Runs `act` in a child that `lives`: without us, with us loaded and used, or while it holds locks of every kind. */
async function ending(t, lives, act) {
  const directory = scratch(t)
  const source = `
    const { send, args: { directory } } = globalThis.test
    const leasehold = ${lives === 'without us' ? undefined : 'globalThis.test.leasehold'} // loads it
    ${lived[lives]}
    send({ alive: true })
    await (${act})()
  `
  const one = child(t, source, { args: { directory } })
  await one.next('alive')
  const { code, signal, stderr } = await one.exit
  return { ended: { code, signal }, stderr, directory, left: readdirSync(directory) }
}

const lived = {
  'without us': '',
  'with us, once used': `
    await (await leasehold.acquireFileLock(directory + '/used')).release()
  `,
  'with us, holding locks': `
    globalThis.kept = [
      await leasehold.acquireFileLock(directory + '/asynchronous'),
      leasehold.acquireFileLockSync(directory + '/synchronous'),
      await leasehold.acquireSessionWriteLock({ sessionFile: directory + '/session' }),
    ]
    await new Promise((resolve) => {
      globalThis.kept.push(leasehold.withFileLock(directory + '/callback', () => new Promise(resolve)))
    })
  `,
}

/** `[how it ends, what it does, how many lock files may stay for the kernel to free]` */
const endings = [
  ['its event loop drains', () => {}],
  ['its event loop drains with an exit code', () => (process.exitCode = 9)],
  ['process.exit()', () => process.exit()],
  ['process.exit(7)', () => process.exit(7)],
  ['process.exit() in an exit listener', () => process.on('exit', () => process.exit(6))],
  ['an exception', () => { throw new Error('boom') }],
  ['an uncaught exception in a callback', () => void setImmediate(() => { throw new Error('boom') })],
  ['a thrown non-error', () => void setImmediate(() => { throw null })],
  ['an unhandled rejection', () => void Promise.reject(new Error('boom'))],
  ['an unhandled rejection of a non-error', () => void Promise.reject(undefined)],
  ['an exception in an exit listener', () => process.on('exit', () => { throw new Error('boom') })],
  ['an unsettled top-level await', () => new Promise(() => {})],
  // Windows ends all other threads first, and the heart may have been busy with a lock file.
  ['process.reallyExit(5)', () => process.reallyExit(5), onWindows ? 1 : 0],
  ['process.abort()', () => process.abort(), 4],
  ['SIGKILL', () => process.kill(process.pid, 'SIGKILL'), 4],
  ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'].map((signal) => [
    signal,
    `() => { process.kill(process.pid, '${signal}'); return new Promise((resolve) => setTimeout(resolve, 10_000)) }`,
    onWindows ? 4 : 0, // where this kills at once
  ]),
  [
    'its handler of uncaught exceptions',
    () => {
      process.on('uncaughtException', () => process.exit(3))
      setImmediate(() => { throw new Error('boom') })
    },
  ],
  [
    'its handler of unhandled rejections, which lets it live',
    () => {
      process.on('unhandledRejection', () => setTimeout(() => process.exit(4), 20))
      void Promise.reject(new Error('boom'))
    },
  ],
]

describe('a process ends as it would have without us, and leaves no lock file', { concurrency: 3 }, () => {
  for (const [name, act, stay = 0] of endings) {
    test(name, async (t) => {
      const control = await ending(t, 'without us', act)
      const used = await ending(t, 'with us, once used', act)
      const holding = await ending(t, 'with us, holding locks', act)
      assert.deepEqual(used.ended, control.ended, used.stderr)
      assert.deepEqual(holding.ended, control.ended, holding.stderr)
      assert.equal(/boom/.test(holding.stderr), /boom/.test(control.stderr), 'it says the same')
      assert.deepEqual(used.left, [])
      assert.ok(holding.left.length <= stay, `${holding.left}`)
      for (const each of holding.left) {
        const lock = await leasehold.acquireFileLock(join(holding.directory, each.replace(/\.lock$/, '')))
        assert.equal(lock.recoveredFrom, 'owner-died', each)
        await lock.release()
      }
    })
  }
})

describe('a signal', { concurrency: 3 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) {
    test(`${signal} from outside kills a holder by that signal, and its file is gone`, { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = child(
        t,
        async ({ leasehold, send, args: { path } }) => {
          globalThis.lock = await leasehold.acquireFileLock(path)
          send({ held: true })
          setInterval(() => {}, 1000)
        },
        { args: { path } },
      )
      await holding.next('held')
      holding.kill(signal)
      const { code, signal: by } = await holding.exit
      assert.deepEqual([code, by], [null, signal])
      assert.ok(!existsSync(`${path}.lock`))
    })

    test(`${signal} with another listener releases the lock, and process and listener live on`, { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = child(
        t,
        async ({ leasehold, send, next, args: { path, signal } }) => {
          const { existsSync } = await import('node:fs')
          const lock = await leasehold.acquireFileLock(path)
          let calls = 0
          process.on(signal, () => send({ calls: ++calls, held: lock.held, exists: existsSync(lock.lockPath) }))
          send({ ready: true })
          await next('again')
          const second = await leasehold.acquireFileLock(path)
          send({ second: second.held })
          await next('finish')
          process.exit(12)
        },
        { args: { path, signal } },
      )
      await holding.next('ready')
      holding.kill(signal)
      assert.deepEqual(await holding.next('calls'), { calls: 1, held: false, exists: false })
      holding.send({ again: true })
      assert.deepEqual(await holding.next('second'), { second: true })
      holding.kill(signal)
      assert.deepEqual(await holding.next('calls'), { calls: 2, held: false, exists: false })
      holding.send({ finish: true })
      const { code, signal: by } = await holding.exit
      assert.deepEqual([code, by], [12, null])
    })
  }

  for (const when of ['before', 'after']) {
    test(`a listener added with once() ${when} the first lock can end the process later`, { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = child(
        t,
        async ({ leasehold, send, args: { path, when } }) => {
          const shutDown = () => setTimeout(() => { send({ shutDown: true }); process.exit(0) }, 50)
          if (when === 'before') process.once('SIGTERM', shutDown)
          await leasehold.acquireFileLock(path)
          if (when === 'after') process.once('SIGTERM', shutDown)
          send({ held: true })
          setInterval(() => {}, 1000)
        },
        { args: { path, when } },
      )
      await holding.next('held')
      holding.kill('SIGTERM')
      const { code, signal } = await holding.exit
      assert.deepEqual([code, signal], [0, null])
      assert.ok(!existsSync(`${path}.lock`))
    })
  }
})

test('process.exit inside withFileLock and withFileLockSync leaves no file', async (t) => {
  for (const call of ['withFileLock', 'withFileLockSync']) {
    const path = join(scratch(t), 'file')
    const one = child(
      t,
      ({ leasehold, args: { path, call } }) => leasehold[call](path, () => process.exit(5)),
      { args: { path, call } },
    )
    assert.equal((await one.exit).code, 5)
    assert.ok(!existsSync(`${path}.lock`))
  }
})

test('a lock taken in an exit listener is released, and releasing one there is no error', async (t) => {
  const path = join(scratch(t), 'file')
  const one = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const early = await leasehold.acquireFileLock(`${path}-early`)
      process.on('exit', () => {
        early.releaseSync()
        void early.release()
        const late = leasehold.acquireFileLockSync(path, { timeoutMs: 0 })
        send({ held: late.held })
      })
    },
    { args: { path } },
  )
  assert.deepEqual(await one.next('held'), { held: true })
  assert.equal((await one.exit).code, 0)
  assert.ok(!existsSync(`${path}.lock`) && !existsSync(`${path}-early.lock`))
})

test('an aborted process leaves a file that is free for the next one', async (t) => {
  const path = join(scratch(t), 'file')
  const one = child(
    t,
    async ({ leasehold, args: { path } }) => {
      await leasehold.acquireFileLock(path)
      process.abort()
    },
    { args: { path } },
  )
  const { code, signal } = await one.exit
  assert.ok(onWindows ? code === 134 : signal === 'SIGABRT', `${code} ${signal}`)
  const lock = await leasehold.acquireFileLock(path, { timeoutMs: 4000 })
  // On Windows libraries get to clean up even after an abort.
  if (!onWindows) assert.equal(lock.recoveredFrom, 'owner-died')
  await lock.release()
})
