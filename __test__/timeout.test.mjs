// How long callers wait, and what they are told when the time is over.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { after, child, holder, leasehold, scratch, sleep } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, withFileLock, withFileLockSync } = leasehold
const { FileLockTimeoutError, LockError, SessionWriteLockTimeoutError } = leasehold

const ISO = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/
/** What a wait may take longer than asked for, on a machine that is busy with other things. */
const SLACK = 5000

/** The error of `ask`, and after how many milliseconds it came. */
async function failure(ask) {
  const start = performance.now()
  try {
    const handle = await ask()
    await handle?.release?.()
  } catch (error) {
    return { error, ms: performance.now() - start }
  }
  return assert.fail('it got the lock')
}

function took({ error, ms }, timeoutMs) {
  assert.match(error.code, /_timeout$/i, error.stack)
  assert.equal(error.timeoutMs, timeoutMs)
  assert.ok(ms > timeoutMs - 5, `${ms} ms is less than ${timeoutMs}`)
  assert.ok(ms < timeoutMs + SLACK, `${ms} ms is much more than ${timeoutMs}`)
}

const ways = {
  withFileLock: (path, timeoutMs) => withFileLock(path, { timeoutMs }, () => assert.fail('it got the lock')),
  acquireFileLock: (path, timeoutMs) => acquireFileLock(path, { timeoutMs }),
  acquireSessionWriteLock: (sessionFile, timeoutMs) => acquireSessionWriteLock({ sessionFile, timeoutMs }),
  acquireFileLockSync: async (path, timeoutMs) => acquireFileLockSync(path, { timeoutMs }),
  withFileLockSync: async (path, timeoutMs) =>
    withFileLockSync(path, { timeoutMs }, () => assert.fail('it got the lock')),
}

// Most of these wait most of the time.
describe('timeout', { concurrency: 3 }, () => {
  describe('the length of a wait', { concurrency: 8 }, () => {
    for (const [name, ask] of Object.entries(ways)) {
      test(`${name} waits for another process as long as it was told`, async (t) => {
        const path = join(scratch(t), 'file')
        await holder(t, path)
        took(await failure(() => ask(path, 300)), 300)
      })

      if (!name.endsWith('Sync')) {
        test(`${name} waits for a task of this process as long as it was told`, async (t) => {
          const path = join(scratch(t), 'file')
          const handle = await acquireFileLock(path)
          took(await failure(() => ask(path, 300)), 300)
          await handle.release()
        })
      }
    }

    test('every waiter has a limit of its own', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const limits = [600, 100, 350, 20]
      const failures = await Promise.all(limits.map((timeoutMs) => failure(() => acquireFileLock(path, { timeoutMs }))))
      for (const [index, each] of failures.entries()) took(each, limits[index])
    })

    test('without a limit of its own a call waits ten seconds', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const failures = await Promise.all([
        failure(() => acquireFileLock(path)),
        failure(() => withFileLock(path, () => {})),
        failure(() => acquireFileLock(path, { retries: { factor: 2 } })),
        failure(() => acquireSessionWriteLock({ sessionFile: path })),
      ])
      for (const each of failures) took(each, 10_000)
    })

    test('Infinity waits for as long as it takes', async (t) => {
      const path = join(scratch(t), 'file')
      const other = await holder(t, path)
      const asked = [
        acquireFileLock(path, { timeoutMs: Infinity, reentrantOwner: 'us' }),
        acquireFileLock(path, { timeoutMs: Number.MAX_VALUE, reentrantOwner: 'us' }),
        acquireSessionWriteLock({ sessionFile: path, timeoutMs: Infinity }),
      ]
      // Longer than the default.
      assert.equal(await Promise.race([...asked, sleep(10_500)]), undefined)
      await other.release()
      for (const each of asked) await (await each).release()
    })

    for (const [what, options] of [
      ['timeoutMs: 0', { timeoutMs: 0 }],
      ['retries: 0', { retries: { retries: 0, factor: 2, minTimeout: 10_000, maxTimeout: 10_000 } }],
      ['timeoutMs: 0 and many retries', { timeoutMs: 0, retries: { retries: 100, minTimeout: 1000 } }],
      ['retries: 0 and a long timeoutMs', { timeoutMs: 60_000, retries: { retries: 0 } }],
    ]) {
      test(`${what} fails at once where the lock is held`, async (t) => {
        const root = scratch(t)
        const ours = await acquireFileLock(join(root, 'ours'))
        await holder(t, join(root, 'theirs'))
        for (const path of [join(root, 'ours'), join(root, 'theirs')]) {
          took(await failure(() => acquireFileLock(path, options)), 0)
        }
        took(await failure(async () => acquireFileLockSync(join(root, 'theirs'), options)), 0)
        await ours.release()
      })

      test(`${what} gets a free lock, even in a directory that was never used before`, async (t) => {
        const root = scratch(t)
        for (let round = 0; round < 20; round += 1) {
          await (await acquireFileLock(join(root, `async-${round}`, 'file'), options)).release()
          acquireFileLockSync(join(root, `sync-${round}`, 'file'), options).releaseSync()
        }
      })
    }

    test('a limit of a millisecond is no obstacle to a lock that is free', async (t) => {
      const root = scratch(t)
      for (let round = 0; round < 20; round += 1) {
        const path = join(root, `new-${round}`, 'file')
        await (await acquireFileLock(path, { timeoutMs: 1 })).release()
        await (await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 1 })).release()
      }
    })

    test('retries are an upper bound: the sum of their gaps', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const bounds = [
        [300, { retries: 3, factor: 1, minTimeout: 100, maxTimeout: 100 }],
        [350, { retries: 3, factor: 2, minTimeout: 50, maxTimeout: 10_000 }],
        [170, { retries: 3, factor: 2, minTimeout: 50, maxTimeout: 60 }],
        [300, { retries: 3, factor: 1, minTimeout: 50, maxTimeout: 100, randomize: true }],
        [100, { retries: 2 }],
      ]
      const failures = await Promise.all(bounds.map(([, retries]) => failure(() => acquireFileLock(path, { retries }))))
      for (const [index, each] of failures.entries()) took(each, bounds[index][0])
    })

    test('the tighter one of retries and timeoutMs counts', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const gaps = { factor: 1, minTimeout: 200, maxTimeout: 200 }
      took(await failure(() => acquireFileLock(path, { timeoutMs: 60_000, retries: { retries: 1, ...gaps } })), 200)
      took(await failure(() => acquireFileLock(path, { timeoutMs: Infinity, retries: { retries: 1, ...gaps } })), 200)
      took(await failure(() => acquireFileLock(path, { timeoutMs: 200, retries: { retries: 1000, ...gaps } })), 200)
    })

    test('the gaps between retries are not slept through', async (t) => {
      const path = join(scratch(t), 'file')
      const other = await holder(t, path)
      const retries = { retries: 1, factor: 1, minTimeout: 60_000, maxTimeout: 60_000 }
      const asked = acquireFileLock(path, { retries })
      await other.release()
      const start = performance.now()
      await (await asked).release()
      assert.ok(performance.now() - start < 30_000)
    })

    test('a waiter whose time is over leaves nothing, and is no loss to the others', async (t) => {
      const root = scratch(t)
      const path = join(root, 'file')
      const other = await holder(t, path)
      const short = Array.from({ length: 20 }, () => failure(() => acquireFileLock(path, { timeoutMs: 50 })))
      const long = acquireFileLock(path, { timeoutMs: 60_000 })
      for (const each of await Promise.all(short)) took(each, 50)
      assert.deepEqual(readdirSync(root), ['file.lock'])
      await other.release()
      await (await long).release()
      assert.deepEqual(readdirSync(root), [])
    })
  })

  describe('what a caller is told', { concurrency: 8 }, () => {
    test('another process holds it', async (t) => {
      const path = join(scratch(t), 'file')
      const before = Date.now()
      const other = await holder(t, path, { label: 'compaction of "x"' })
      const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
      assert.ok(error instanceof FileLockTimeoutError)
      assert.ok(error instanceof LockError)
      assert.equal(error.name, 'FileLockTimeoutError')
      assert.equal(error.code, leasehold.FILE_LOCK_TIMEOUT_ERROR_CODE)
      assert.equal(error.code, 'file_lock_timeout')
      assert.equal(error.lockPath, `${path}.lock`)
      assert.equal(error.targetPath, path)
      assert.equal(error.timeoutMs, 100)
      const { owner } = error
      assert.equal(owner.pid, other.pid)
      assert.equal(owner.alive, true)
      assert.equal(owner.place, 'other-process')
      assert.equal(owner.native, true)
      assert.equal(owner.label, 'compaction of "x"')
      assert.equal(owner.token, other.token)
      assert.ok(Date.parse(owner.since) >= before - 1000 && Date.parse(owner.since) <= Date.now() + 1000)
      assert.ok(owner.ageMs >= 0 && owner.ageMs < Date.now() - before + 1000)
      assert.ok(error.message.startsWith(`file lock timeout for ${path}`), error.message)
      for (const part of ['100 ms', `${path}.lock`, `pid ${other.pid}`, 'another process', 'alive', 'compaction']) {
        assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`)
      }
      assert.match(error.message, ISO)
      assert.match(error.message, /wait longer \(timeoutMs\)/)
    })

    test('this process holds it', async (t) => {
      const path = join(scratch(t), 'file')
      const handle = await acquireFileLock(path, { label: 'ours' })
      const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
      assert.equal(error.owner.pid, process.pid)
      assert.equal(error.owner.place, 'this-process')
      assert.equal(error.owner.alive, true)
      assert.equal(error.owner.label, 'ours')
      assert.equal(error.owner.token, handle.token)
      for (const part of [`pid ${process.pid}`, 'this process', 'heldLocks()']) {
        assert.ok(error.message.includes(part), `${part} is not in: ${error.message}`)
      }
      await handle.release()
    })

    test('another program holds it', async (t) => {
      const path = join(scratch(t), 'file')
      const createdAt = new Date(Date.now() - 5000).toISOString()
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt }))
      const { error } = await failure(() => acquireFileLock(path, { timeoutMs: 100 }))
      assert.equal(error.owner.pid, process.ppid)
      assert.equal(error.owner.native, false)
      assert.equal(error.owner.since, createdAt)
      assert.ok(error.owner.ageMs >= 5000)
      assert.match(error.message, /another kind of lock/)
    })

    test('nobody knows who holds it', async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(`${path}.lock`, '')
      const file = (await failure(() => acquireFileLock(path, { timeoutMs: 100 }))).error
      assert.equal(file.owner.pid, undefined)
      assert.ok(file.message.startsWith(`file lock timeout for ${path}`))
      const session = (await failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs: 100 }))).error
      assert.equal(session.owner, 'unknown')
      assert.ok(session.message.startsWith(`session file locked (timeout 100ms): unknown ${path}.lock`))
    })

    for (const [where, hold] of [
      ['another process', async (t, path) => (await holder(t, path, { session: true })).pid],
      ['this process', async (t, path) => {
        const handle = await acquireFileLock(path)
        after(t, () => handle.release())
        return process.pid
      }],
    ]) {
      test(`a session is held by ${where}`, async (t) => {
        const path = join(scratch(t), 'file')
        const pid = await hold(t, path)
        const { error } = await failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs: 100 }))
        assert.ok(error instanceof SessionWriteLockTimeoutError)
        assert.ok(error instanceof LockError)
        assert.equal(error.name, 'SessionWriteLockTimeoutError')
        assert.equal(error.code, 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT')
        assert.equal(error.lockPath, `${path}.lock`)
        assert.equal(error.targetPath, path)
        assert.equal(error.timeoutMs, 100)
        assert.match(error.owner, new RegExp(`^pid=${pid} alive=true ageMs=\\d+$`))
        assert.equal(error.holder.pid, pid)
        const start = `session file locked (timeout 100ms): ${error.owner} ${path}.lock`
        assert.ok(error.message.startsWith(start), error.message)
        assert.ok(error.message.includes(where), error.message)
      })
    }

    test('the paths are the real ones', async (t) => {
      const root = scratch(t)
      mkdirSync(join(root, 'real'))
      symlinkSync('real', join(root, 'link'))
      await holder(t, join(root, 'real', 'file'))
      const { error } = await failure(() => acquireFileLock(join(root, 'link', 'file'), { timeoutMs: 100 }))
      assert.equal(error.targetPath, join(root, 'real', 'file'))
      assert.equal(error.lockPath, join(root, 'real', 'file.lock'))
      assert.ok(error.message.startsWith(`file lock timeout for ${join(root, 'real', 'file')}`))
    })

    test('the stack leads to the call', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const here = basename(fileURLToPath(import.meta.url))
      for (const ask of Object.values(ways)) {
        const { error } = await failure(() => ask(path, 50))
        assert.ok(error.stack.includes(here), error.stack)
      }
    })
  })

  describe('the numbers of a session', { concurrency: 8 }, () => {
    const bad = [NaN, 0, -1, -Infinity, '5', null, undefined, {}, true, 5n]

    test('a timeoutMs that makes no sense counts as none', async (t) => {
      const path = join(scratch(t), 'file')
      await holder(t, path)
      const failures = await Promise.all(
        bad.map((timeoutMs) => failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs }))),
      )
      for (const each of failures) took(each, 10_000)
    })

    test('a maxHoldMs that makes no sense counts as none', async (t) => {
      const path = join(scratch(t), 'file')
      for (const [maxHoldMs, expected] of [...[...bad, Infinity].map((value) => [value, 300_000]), [1234, 1234]]) {
        const handle = await acquireSessionWriteLock({ sessionFile: path, maxHoldMs })
        const [held] = leasehold.heldLocks().filter((lock) => lock.targetPath === path)
        assert.equal(held.maxHoldMs, expected, String(maxHoldMs))
        await handle.release()
      }
    })

    test('a staleMs that makes no sense counts as five minutes', async (t) => {
      const path = join(scratch(t), 'file')
      const peer = (ageMs) => {
        const createdAt = new Date(Date.now() - ageMs).toISOString()
        writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt }))
      }
      const ask = (staleMs) => acquireSessionWriteLock({ sessionFile: path, staleMs, timeoutMs: 30 })
      for (const staleMs of [...bad, Infinity]) {
        peer(280_000)
        took(await failure(() => ask(staleMs)), 30)
        peer(320_000)
        await (await ask(staleMs)).release()
      }
      peer(320_000)
      took(await failure(() => ask(600_000)), 30)
      peer(2000)
      await (await ask(1000)).release()
    })

    test('the environment says what the parameters do not', async (t) => {
      const root = scratch(t)
      const senseless = ['0', '-5', '+5', '2.5', '1e3', 'soon', '', '9007199254740993']
      await holder(t, join(root, 'held'))
      const asking = child(
        t,
        async ({ leasehold, send, args: { root, pid, senseless } }) => {
          const { writeFileSync } = await import('node:fs')
          const variable = (name) => `OPENCLAW_SESSION_WRITE_LOCK_${name}_MS`
          const outcomes = []
          const note = (what, promise) => outcomes.push(promise.then((value) => [what, value]))
          const timeout = (asked) => asked.then(() => 'got it', (error) => error.timeoutMs)
          const ask = (params) => leasehold.acquireSessionWriteLock({ sessionFile: `${root}/held`, ...params })

          for (const text of ['250', ' 250\n', '00250', ...senseless]) {
            process.env[variable('ACQUIRE_TIMEOUT')] = text
            note(`timeout ${text.trim()}`, timeout(ask()))
          }
          process.env[variable('ACQUIRE_TIMEOUT')] = '250'
          note('parameter', timeout(ask({ timeoutMs: 350 })))
          note('parameter that makes no sense', timeout(ask({ timeoutMs: 'x' })))
          note('file', timeout(leasehold.acquireFileLock(`${root}/held`, { timeoutMs: 300 })))
          delete process.env[variable('ACQUIRE_TIMEOUT')]

          const maxHold = async (params) => {
            const handle = await leasehold.acquireSessionWriteLock({ sessionFile: `${root}/free`, ...params })
            const { maxHoldMs } = leasehold.heldLocks().find((held) => held.targetPath === `${root}/free`)
            await handle.release()
            return maxHoldMs
          }
          for (const text of ['1234', 'Infinity', '0', 'x']) {
            process.env[variable('MAX_HOLD')] = text
            outcomes.push([`hold ${text}`, await maxHold()])
          }
          process.env[variable('MAX_HOLD')] = '1234'
          outcomes.push(['hold by parameter', await maxHold({ maxHoldMs: 99 })])

          const stale = async (params) => {
            const createdAt = new Date(Date.now() - 60_000).toISOString()
            writeFileSync(`${root}/peer.lock`, JSON.stringify({ pid, createdAt }))
            const asked = leasehold.acquireSessionWriteLock({ sessionFile: `${root}/peer`, timeoutMs: 30, ...params })
            return asked.then((handle) => handle.release().then(() => 'got it'), (error) => error.timeoutMs)
          }
          for (const text of ['1000', '0', 'Infinity']) {
            process.env[variable('STALE')] = text
            outcomes.push([`stale ${text}`, await stale()])
          }
          process.env[variable('STALE')] = '1000'
          outcomes.push(['stale by parameter', await stale({ staleMs: 120_000 })])
          send(Object.fromEntries(await Promise.all(outcomes)))
        },
        { args: { root, pid: process.pid, senseless } },
      )
      const ignored = Object.fromEntries(senseless.map((text) => [`timeout ${text}`, 10_000]))
      assert.deepEqual(await asking.next(), {
        'timeout 250': 250,
        'timeout 00250': 250,
        ...ignored,
        'parameter': 350,
        'parameter that makes no sense': 250,
        'file': 300,
        'hold 1234': 1234,
        'hold Infinity': 300_000,
        'hold 0': 300_000,
        'hold x': 300_000,
        'hold by parameter': 99,
        'stale 1000': 'got it',
        'stale 0': 30,
        'stale Infinity': 30,
        'stale by parameter': 30,
      })
    })
  })
})
