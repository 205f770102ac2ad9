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

/** Ends the holder by a signal, as if nobody listened for it. */
async function assertKilled(holding, path) {
  await holding.next('held')
  holding.kill('SIGTERM')
  assert.equal((await holding.exit).signal, 'SIGTERM')
  assert.ok(!existsSync(`${path}.lock`))
}

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

  for (const [when, add] of [
    ['before the first lock', 'once'],
    ['after the first lock', 'once'],
    ['after the first lock, ahead of ours,', 'prependOnceListener'],
  ]) {
    test(`a one-time listener added ${when} can end the process later`, { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = child(
        t,
        async ({ leasehold, send, args: { path, early, add } }) => {
          const shutDown = () => setTimeout(() => { send({ shutDown: true }); process.exit(0) }, 50)
          if (early) process[add]('SIGTERM', shutDown)
          await leasehold.acquireFileLock(path)
          if (!early) process[add]('SIGTERM', shutDown)
          send({ held: true })
          setTimeout(() => {}, 15_000) // long enough for a survivor to be seen
        },
        { args: { path, early: when.startsWith('before'), add } },
      )
      await holding.next('held')
      holding.kill('SIGTERM')
      const { code, signal } = await holding.exit
      assert.deepEqual([code, signal], [0, null])
      assert.ok(!existsSync(`${path}.lock`))
    })
  }

  for (const [signal, when, add] of [
    ['SIGTERM', 'before', 'on'],
    ['SIGTERM', 'before', 'prependListener'],
    ['SIGTERM', 'after', 'prependListener'],
    ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'].map((signal) => [signal, 'after', 'on']),
  ]) {
    const name = `${signal} still kills when a library, added ${when} the first lock by ${add}, kills only if alone`
    test(name, { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      const holding = child(
        t,
        async ({ leasehold, send, args: { path, signal, early, add } }) => {
          const killIfAlone = () => {
            const others = process.listeners(signal).filter((each) => each !== killIfAlone)
            send({ others: others.length })
            if (others.length > 0) return
            process.off(signal, killIfAlone)
            process.kill(process.pid, signal)
          }
          if (early) process[add](signal, killIfAlone)
          globalThis.lock = await leasehold.acquireFileLock(path)
          if (!early) process[add](signal, killIfAlone)
          // A program that keeps the process alive comes and goes: what it was told, the next signal tells it again.
          const other = () => send({ other: true })
          process.on(signal, other)
          process.once('SIGUSR2', () => {
            process.off(signal, other)
            send({ gone: true })
          })
          send({ held: true })
          setTimeout(() => {}, 15_000) // long enough for a survivor to be seen
        },
        { args: { path, signal, early: when === 'before', add } },
      )
      await holding.next('held')
      holding.kill(signal)
      assert.equal((await holding.next('others')).others, 1)
      await holding.next('other')
      holding.kill('SIGUSR2')
      await holding.next('gone')
      holding.kill(signal)
      assert.equal((await holding.next('others')).others, 0)
      const { code, signal: by } = await holding.exit
      assert.deepEqual([code, by], [null, signal])
      assert.ok(!existsSync(`${path}.lock`))
    })
  }

  test('kills together with proper-lockfile, whose listeners do so only if they are alone', { skip }, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, addonUrl, send, args: { path } }) => {
        const { createRequire } = await import('node:module')
        createRequire(addonUrl)('proper-lockfile')
        globalThis.lock = await leasehold.acquireFileLock(path)
        send({ held: true })
        setTimeout(() => {}, 15_000) // long enough for a survivor to be seen
      },
      { args: { path } },
    )
    await assertKilled(holding, path)
  })

  test('releases the locks that were taken after the program removed all of its listeners', { skip }, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        for (let time = 0; time < 3; time++) {
          await (await leasehold.acquireFileLock(path)).release()
          process.removeAllListeners('SIGTERM')
        }
        globalThis.lock = await leasehold.acquireFileLock(path)
        send({ held: true })
        setTimeout(() => {}, 15_000) // long enough for a survivor to be seen
      },
      { args: { path } },
    )
    await assertKilled(holding, path)
  })
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
