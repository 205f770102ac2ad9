// Each call uses its own options, whatever the one before it was given: they are passed to the native part only when
// they change.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch, until } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock } = leasehold
const recordOf = ({ lockPath }) => JSON.parse(readFileSync(lockPath, 'utf8')).leasehold

const ways = {
  acquireFileLock,
  acquireFileLockSync: async (path, options) => acquireFileLockSync(path, options),
  acquireSessionWriteLock: (path, options) => acquireSessionWriteLock({ sessionFile: path, ...options }),
}

for (const [name, way] of Object.entries(ways)) {
  test(`${name} after calls with other options, wrong ones and none`, async (t) => {
    const directory = scratch(t)
    const asked = [
      { label: 'one', leaseMs: 400 },
      { label: 'two', leaseMs: 400 },
      { label: 'two', leaseMs: 400 },
      { label: 'two', leaseMs: '400' },
      undefined,
      { label: 'two', leaseMs: 400, maxHoldMs: 60_000 },
      { maxHoldMs: 60_000 },
    ]
    for (const [number, options] of asked.entries()) {
      const acquiring = way(join(directory, `file-${number}`), options)
      if (typeof options?.leaseMs === 'string') {
        await assert.rejects(acquiring, TypeError)
        continue
      }
      const lock = await acquiring
      const { label, leaseMs, maxHoldMs } = recordOf(lock)
      const expected = { leaseMs: 30_000, maxHoldMs: 300_000, label: undefined, ...options }
      assert.deepEqual({ leaseMs, maxHoldMs, label }, expected)
      await lock.release()
    }
  })
}

test('a change inside an option counts', async (t) => {
  const path = join(scratch(t), 'file')
  const holder = await acquireFileLock(path)
  const retries = { retries: 0 }
  await assert.rejects(acquireFileLock(path, { retries }), { code: 'file_lock_timeout' })
  Object.assign(retries, { retries: 1, minTimeout: 60_000, maxTimeout: 60_000 })
  const waiting = acquireFileLock(path, { retries })
  await holder.release()
  await (await waiting).release()
})

test('functions for files and for sessions do not share them', async (t) => {
  const directory = scratch(t)
  const file = await acquireFileLock(join(directory, 'file'), { label: 'file' })
  const session = await acquireSessionWriteLock({ sessionFile: join(directory, 'session') })
  const other = await acquireFileLock(join(directory, 'other'), { label: 'file' })
  assert.deepEqual([file, session, other].map((lock) => recordOf(lock).label), ['file', undefined, 'file'])
  for (const lock of [file, session, other]) await lock.release()
})

for (const name of ['acquireFileLock', 'acquireFileLockSync']) {
  test(`${name} goes by its own while its caller is asked about a stale lock, and locks something else`, async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: 4_194_305, createdAt: new Date(0).toISOString() }))
    const assertResourceUnborrowed = () => acquireFileLockSync(join(directory, 'other'), { label: 'other' }).releaseSync()
    const lock = await ways[name](path, { label: 'mine', assertResourceUnborrowed })
    assert.equal(recordOf(lock).label, 'mine')
    await lock.release()
  })
}

test('options that change while a call waits are those of other calls', async (t) => {
  const path = join(scratch(t), 'file')
  const holder = await acquireFileLock(path)
  const mine = new AbortController()
  const options = { signal: mine.signal, abortGraceMs: 0 }
  const working = leasehold.withFileLock(path, options, async (lock) => {
    mine.abort()
    await until(() => lock.signal.aborted)
  })
  Object.assign(options, { signal: new AbortController().signal, abortGraceMs: 60_000 })
  await holder.release()
  await assert.rejects(working, { code: 'file_lock_lost', reason: 'aborted' })

  const again = await acquireFileLock(path)
  options.signal = undefined
  const waiting = leasehold.withFileLock(path, options, () => 'done')
  options.signal = 'no longer a signal'
  await again.release()
  assert.equal(await waiting, 'done')
})

/** Options with all that `given` has, none of it as a property of the object itself. */
const inherited = {
  'from a prototype': (given) => Object.create(given),
  'from a class': (given) =>
    new (class {
      #given = given
      static {
        const get = (name) => ({ get() { return this.#given[name] } })
        for (const name of ['sessionFile', 'label', 'leaseMs', 'allowReentrant', 'timeoutMs']) {
          Object.defineProperty(this.prototype, name, get(name))
        }
      }
    })(),
}

for (const [how, make] of Object.entries(inherited)) {
  test(`options that an object has ${how} count`, async (t) => {
    const path = join(scratch(t), 'file')
    const options = make({ sessionFile: path, label: 'mine', leaseMs: 400, allowReentrant: false, timeoutMs: 30 })
    const mine = (lock) => assert.deepEqual(labelled(lock), { label: 'mine', leaseMs: 400 })
    const labelled = (lock) => (({ label, leaseMs }) => ({ label, leaseMs }))(recordOf(lock))
    await leasehold.withFileLock(path, options, mine)
    await leasehold.updateJsonFile(path, {}, () => mine({ lockPath: `${path}.lock` }), options)
    process.env.OPENCLAW_SESSION_WRITE_LOCK_STALE_MS = '60000'
    t.after(() => delete process.env.OPENCLAW_SESSION_WRITE_LOCK_STALE_MS)
    const lock = await acquireSessionWriteLock(options)
    mine(lock)
    await assert.rejects(acquireSessionWriteLock(options), { code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT' })
    await lock.release()
  })
}

test('a getter among the options may lock something else', async (t) => {
  const directory = scratch(t)
  const lock = () => acquireFileLockSync(join(directory, 'other'), { label: 'other' }).releaseSync()
  const getters = (given) => {
    const got = (name) => ({ enumerable: true, get: () => (lock(), given[name]) })
    return Object.defineProperties({}, Object.fromEntries(Object.keys(given).map((name) => [name, got(name)])))
  }
  const retries = getters({ retries: 1, factor: 1, minTimeout: 1, maxTimeout: 1, randomize: false })
  for (const way of [ways.acquireFileLock, ways.acquireFileLockSync]) {
    const mine = await way(join(directory, 'file'), getters({ retries, label: 'mine', stale: 1000 }))
    assert.equal(recordOf(mine).label, 'mine')
    await mine.release()
  }
})
