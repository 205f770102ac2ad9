// A holder that loses its lock is told so once, everywhere it may look, and nothing else happens to its process.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { patience } from './support/platform.mjs'

/** Ways to lose the lock of `path`; `act` is called while it is held. */
const losses = {
  'max-hold': { options: { maxHoldMs: 300 * patience } },
  aborted: { options: { abortGraceMs: 50 }, act: ({ controller }) => controller.abort() },
  'unhandled-rejection': { act: ({ reject }) => reject() },
  forced: { act: ({ leasehold }) => leasehold.releaseAllLocksSync() },
  removed: { act: async ({ path }) => (await import('node:fs')).rmSync(`${path}.lock`) },
  replaced: {
    act: async ({ path }) => {
      const { renameSync, writeFileSync } = await import('node:fs')
      writeFileSync(`${path}.new`, '{}')
      renameSync(`${path}.new`, `${path}.lock`)
    },
  },
}

const inSource = ([name, { options, act }]) => `'${name}': { options: ${JSON.stringify(options)}, act: ${act} }`

/** Loses its lock for the given reason, and reports all it hears of that. */
const hold = `async ({ leasehold, send, args: { path, reason, fails } }) => {
  const { subscribe } = await import('node:diagnostics_channel')
  const { setTimeout: sleep } = await import('node:timers/promises')
  const alive = setInterval(() => {}, 1000)
  const heard = { warnings: [], published: [], aborts: 0, uncaught: [] }
  process.on('warning', ({ name, code, message, detail }) => heard.warnings.push({ name, code, message, detail }))
  process.on('uncaughtException', (error) => heard.uncaught.push(error.message))
  process.on('unhandledRejection', (error) => error.message === 'expected' || heard.uncaught.push(error.message))
  subscribe('leasehold:lost', ({ lockPath, token, label, error }) => {
    heard.published.push({ lockPath, token, label, reason: error.reason })
  })
  const losses = LOSSES
  const controller = new AbortController()
  const failure = new Error('of the work')
  let handle
  const outcome = await leasehold.withFileLock(
    path,
    { label: 'a label', signal: controller.signal, ...losses[reason].options },
    async (lock) => {
      handle = lock
      const told = new Promise((resolve) => lock.signal.addEventListener('abort', () => {
        heard.aborts += 1
        resolve()
      }))
      const reject = () => void Promise.reject(new Error('expected'))
      await losses[reason].act?.({ leasehold, path, controller, reject })
      await told
      await sleep(100)
      if (fails) throw failure
      return 'a result'
    },
  ).then((value) => ({ value }), (error) => ({ error }))
  await handle.release()
  await sleep(200)
  const error = (e) => ({ name: e.name, code: e.code, reason: e.reason, lockPath: e.lockPath, token: e.token,
    label: e.label, heldForMs: e.heldForMs, acquiredAt: typeof e.acquiredAt,
    isLost: e instanceof leasehold.LockLostError })
  let thrown
  try { handle.assertHeld() } catch (e) { thrown = e }
  const appended = await handle.appendFile('too late').catch((e) => e)
  clearInterval(alive)
  send({ heard, held: handle.held, aborted: handle.signal.aborted, token: handle.token,
    errors: [outcome.error, handle.signal.reason, thrown, appended].map(error),
    caused: outcome.error.cause === failure, sameSignal: handle.signal === handle.signal })
}`.replace('LOSSES', `{${Object.entries(losses).map(inSource)}}`)

describe('a lock that was lost', { concurrency: 3 }, () => {
  for (const reason of Object.keys(losses)) {
    for (const fails of [false, true]) {
      test(`${reason}, by work that ${fails ? 'fails' : 'goes well'} afterwards`, async (t) => {
        const path = join(scratch(t), 'file')
        const process = child(t, `await (${hold})(globalThis.test)`, { args: { path, reason, fails } })
        const told = await process.next('heard')
        const lockPath = `${path}.lock`
        const { token } = told
        for (const { heldForMs, ...error } of told.errors) {
          assert.deepEqual(error, {
            name: 'LockLostError', code: 'file_lock_lost', reason, lockPath, token, label: 'a label',
            acquiredAt: 'string', isLost: true,
          })
          assert.ok(heldForMs >= 0)
        }
        assert.deepEqual([told.held, told.aborted, told.sameSignal, told.caused], [false, true, true, fails])
        assert.equal(told.heard.aborts, 1)
        assert.deepEqual(told.heard.uncaught, [])
        assert.deepEqual(told.heard.published, [{ lockPath, token, label: 'a label', reason }])
        const about = told.heard.warnings.filter(({ name }) => name === 'LeaseholdWarning')
        assert.deepEqual(about.map(({ code }) => code), ['LEASEHOLD_LOCK_LOST'])
        assert.match(about[0].message, /file\.lock.*"a label"/)
        assert.match(about[0].detail, /^acquired at:\n +at /)
        assert.ok(!existsSync(path), 'nothing was appended')
        assert.deepEqual((await process.exit).code, 0)
        if (reason === 'replaced') assert.equal(readFileSync(lockPath, 'utf8'), '{}')
        else assert.ok(!existsSync(lockPath))
      })
    }
  }

  test('is told to each of the handles that share it, and warned of once', async (t) => {
    const directory = scratch(t)
    const process = child(
      t,
      async ({ leasehold, send, args: { directory } }) => {
        const alive = setInterval(() => {}, 1000)
        const warnings = []
        globalThis.process.on('warning', ({ code }) => warnings.push(code))
        const sessionFile = `${directory}/session`
        const handles = []
        const options = { sessionFile, maxHoldMs: 500 }
        for (let i = 0; i < 4; i++) handles.push(await leasehold.acquireSessionWriteLock(options))
        // One is released before the loss, and one never asked for its signal.
        await handles[3].release()
        const aborts = [0, 0, 0, 0]
        const told = [0, 1].map((index) => {
          const { signal } = handles[index]
          return new Promise((resolve) => signal.addEventListener('abort', () => resolve((aborts[index] += 1))))
        })
        const released = handles[3].signal
        await Promise.all(told)
        await new Promise((resolve) => setTimeout(resolve, 200))
        const codes = handles.map((handle) => {
          try {
            handle.assertHeld()
          } catch ({ code }) {
            return code
          }
        })
        for (const handle of handles) await handle.release()
        send({ aborts, codes, late: handles[2].signal.aborted, released: released.aborted, warnings })
        clearInterval(alive)
      },
      { args: { directory } },
    )
    assert.deepEqual(await process.next('aborts'), {
      aborts: [1, 1, 0, 0],
      codes: ['file_lock_lost', 'file_lock_lost', 'file_lock_lost', 'file_lock_released'],
      late: true,
      released: false,
      warnings: ['LEASEHOLD_LOCK_LOST'],
    })
    assert.equal((await process.exit).code, 0)
  })

  test('is warned of with the place where it was acquired, however many others have joined since', async (t) => {
    const process = child(
      t,
      async ({ leasehold, send, args: { directory } }) => {
        const alive = setInterval(() => {}, 1000)
        const sessionFile = `${directory}/session`
        const before = await leasehold.acquireFileLock(`${directory}/before`)
        const handles = [await (async function acquires() {
          return await leasehold.acquireSessionWriteLock({ sessionFile })
        })()]
        // The object that owned that lock is reused for a handle that joins.
        before.releaseSync()
        for (let i = 0; i < 3; i++) handles.push(await leasehold.acquireSessionWriteLock({ sessionFile }))
        globalThis.process.on('warning', ({ detail }) => {
          send({ detail })
          clearInterval(alive)
        })
        leasehold.releaseAllLocksSync()
      },
      { args: { directory: scratch(t) } },
    )
    assert.match((await process.next('detail')).detail, /at .*acquires/)
  })

  test('is told even if a handle is released before anything can be heard of the loss', async (t) => {
    const directory = scratch(t)
    const process = child(
      t,
      async ({ leasehold, send, args: { directory } }) => {
        const { existsSync } = await import('node:fs')
        const alive = setInterval(() => {}, 1000)
        const warnings = []
        globalThis.process.on('warning', ({ code, detail }) => {
          warnings.push({ code, acquired: /acquired at/.test(detail) })
        })
        const sessionFile = `${directory}/session`
        const one = await leasehold.acquireSessionWriteLock({ sessionFile, maxHoldMs: 300 })
        const two = await leasehold.acquireSessionWriteLock({ sessionFile })
        const signals = [one.signal, two.signal]
        while (existsSync(one.lockPath));
        one.releaseSync()
        const aborted = (signal) => signal.aborted || new Promise((resolve) => (signal.onabort = resolve))
        await Promise.all(signals.map(aborted))
        await new Promise((resolve) => setTimeout(resolve, 50))
        send({ reasons: signals.map(({ reason }) => reason.reason), warnings })
        clearInterval(alive)
      },
      { args: { directory } },
    )
    assert.deepEqual(await process.next('reasons', { timeoutMs: 20_000 }), {
      reasons: ['max-hold', 'max-hold'],
      warnings: [{ code: 'LEASEHOLD_LOCK_LOST', acquired: true }],
    })
  })

  test('and whose file was gone when it was taken away is told as lost once', async (t) => {
    const path = join(scratch(t), 'file')
    const process = child(
      t,
      async ({ leasehold, args: { path } }) => {
        const { rmSync } = await import('node:fs')
        const alive = setInterval(() => {}, 1000)
        const lock = await leasehold.acquireFileLock(path)
        lock.signal.addEventListener('abort', () => clearInterval(alive))
        rmSync(`${path}.lock`)
        leasehold.releaseAllLocksSync()
      },
      { args: { path } },
    )
    const { code, stderr } = await process.exit
    assert.equal(code, 0)
    assert.equal(stderr.match(/LEASEHOLD_LOCK_LOST/g)?.length, 1, stderr)
  })

  test('and then leaked is told as lost alone', async (t) => {
    const path = join(scratch(t), 'file')
    const process = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        globalThis.process.on('warning', ({ code }) => send({ code }))
        setInterval(() => {}, 1000)
        let lock = await leasehold.acquireFileLock(path, { maxHoldMs: 200 })
        // Keeps it in use until then: V8 may collect at any time what is not.
        await new Promise((resolve) => lock.signal.addEventListener('abort', resolve))
        lock = undefined
        await new Promise((resolve) => setTimeout(resolve, 100))
        for (let i = 0; i < 5; i++) {
          globalThis.gc()
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        send({ end: true })
      },
      { args: { path }, nodeArgs: ['--expose-gc'] },
    )
    await process.next('end')
    assert.deepEqual(process.drain(), [{ code: 'LEASEHOLD_LOCK_LOST' }])
  })
})

test('a loss reaches the listeners of a signal, even if the release function alone was kept', async (t) => {
  const process = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const { setTimeout: sleep } = await import('node:timers/promises')
      const listeners = {
        direct: (signal, tell) => signal.addEventListener('abort', tell),
        combined: (signal, tell) =>
          AbortSignal.any([signal, new AbortController().signal]).addEventListener('abort', tell),
      }
      const told = {}
      globalThis.releases = []
      for (const [name, listen] of Object.entries(listeners)) {
        const { release, signal } = await leasehold.acquireFileLock(path + name)
        listen(signal, ({ target }) => (told[name] = typeof target.reason.acquiredAt))
        globalThis.releases.push(release)
      }
      for (let round = 0; round < 3; round++) {
        await sleep(20)
        globalThis.gc()
      }
      leasehold.releaseAllLocksSync()
      await sleep(100)
      send({ told })
    },
    { args: { path: join(scratch(t), 'file') }, nodeArgs: ['--expose-gc'] },
  )
  assert.deepEqual(await process.next('told'), { told: { direct: 'string', combined: 'string' } })
})

test('a listener that throws, and a warning that is switched off, keep nobody else from being told', async (t) => {
  const path = join(scratch(t), 'file')
  const process = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const uncaught = []
      globalThis.process.on('uncaughtException', (error) => uncaught.push(error.message))
      const alive = setInterval(() => {}, 1000)
      const locks = [await leasehold.acquireFileLock(path), await leasehold.acquireFileLock(`${path}2`)]
      const told = locks.map(
        ({ signal }) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              throw new Error('of a listener')
            })
            signal.addEventListener('abort', resolve)
          }),
      )
      leasehold.releaseAllLocksSync()
      await Promise.all(told)
      await new Promise((resolve) => setTimeout(resolve, 100))
      send({ uncaught })
      clearInterval(alive)
    },
    { args: { path }, nodeArgs: ['--no-warnings'] },
  )
  assert.deepEqual(await process.next('uncaught'), { uncaught: ['of a listener', 'of a listener'] })
  assert.equal((await process.exit).code, 0)
})

test('a loss is told outside of the work that was going on when the news arrived', async (t) => {
  const telling = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const { AsyncLocalStorage } = await import('node:async_hooks')
      const { rmSync } = await import('node:fs')
      const requests = new AsyncLocalStorage()
      const lost = await leasehold.acquireFileLock(`${path}-lost`)
      const told = []
      const tell = async (how) => {
        const inside = leasehold.withFileLock(path, { timeoutMs: 0 }, () => 'shared').catch(({ code }) => code)
        told.push({ how, request: requests.getStore() ?? 'none', lock: await inside })
      }
      const heard = new Promise((resolve) => {
        lost.signal.addEventListener('abort', () => resolve(tell('signal')))
      })
      const warned = new Promise((resolve) => process.once('warning', () => resolve(tell('warning'))))
      await requests.run('somebody', () =>
        leasehold.withFileLock(path, async () => {
          rmSync(lost.lockPath)
          // Finds out, and delivers the news.
          try { lost.assertHeld() } catch {}
          await Promise.all([heard, warned])
        }),
      )
      send({ told })
    },
    { args: { path: join(scratch(t), 'file') } },
  )
  const { told } = await telling.next('told')
  const apart = { request: 'none', lock: 'file_lock_timeout' }
  assert.deepEqual(told, [{ how: 'signal', ...apart }, { how: 'warning', ...apart }])
})

for (const [what, change] of Object.entries({
  'warnings cannot be given': 'process.emitWarning = () => { throw new Error("no warnings") }',
  'stacks cannot be made': 'Error.prepareStackTrace = () => { throw new Error("no stacks") }',
})) {
  test(`a loss is told, and ends no process, where ${what}`, async (t) => {
    const losing = child(
      t,
      async ({ leasehold, send, args: { path, change } }) => {
        const { channel } = await import('node:diagnostics_channel')
        const { setImmediate: turn } = await import('node:timers/promises')
        const lock = await leasehold.acquireFileLock(path)
        const told = []
        lock.signal.addEventListener('abort', () => told.push(lock.signal.reason.code))
        channel('leasehold:lost').subscribe(({ error }) => told.push(error.code))
        new Function(change)()
        leasehold.releaseAllLocksSync()
        while (told.length < 2) await turn()
        send({ told })
      },
      { args: { path: join(scratch(t), 'file'), change }, nodeArgs: ['--no-warnings'] },
    )
    assert.deepEqual(await losing.next('told'), { told: ['file_lock_lost', 'file_lock_lost'] })
    assert.deepEqual(await losing.exit, { code: 0, signal: null, stderr: '', stdout: '' })
  })
}

test('losing a lock ends no process and keeps none alive', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const lock = await leasehold.acquireFileLock(path)
      globalThis.lock = lock
      void lock.signal
      send({ held: true })
      setTimeout(() => {}, 3500)
    },
    { args: { path } },
  )
  await holding.next('held')
  rmSync(`${path}.lock`)
  const lock = await leasehold.acquireFileLock(path)
  const { code, stderr } = await holding.exit
  assert.equal(code, 0)
  assert.equal(stderr.match(/LEASEHOLD_LOCK_LOST/g)?.length, 1, stderr)
  await until(() => lock.held)
  lock.assertHeld()
  await lock.release()
})
