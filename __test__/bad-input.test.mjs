// Invalid input is refused before anything happens, with an error that names it.

import assert from 'node:assert/strict'
import { mkdirSync, readdirSync } from 'node:fs'
import { join, parse } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, heldLocks, inspectLock } = leasehold
const { withFileLock, withFileLockSync } = leasehold

const never = () => assert.fail('it got in')
const fileWays = {
  withFileLock: (path, options) => withFileLock(path, options, never),
  acquireFileLock: (path, options) => acquireFileLock(path, options),
  withFileLockSync: async (path, options) => withFileLockSync(path, options, never),
  acquireFileLockSync: async (path, options) => acquireFileLockSync(path, options),
}
const session = {
  acquireSessionWriteLock: (sessionFile, options) => acquireSessionWriteLock({ sessionFile, ...options }),
}

const notNumbers = ['5', '', true, {}, [], 5n, Symbol('five'), () => 5]
const notStrings = [5, true, {}, ['x'], 5n, Symbol('text'), () => 'x', Buffer.from('x')]
const notBooleans = [0, 1, 'true', {}, 5n, Symbol('true')]
const notObjects = [5, 'text', true, 5n, Symbol('object')]

/** `{ option: { TypeError: values, RangeError: values } }` */
const fileOptions = {
  'timeoutMs': { TypeError: notNumbers, RangeError: [NaN, -1, -0.5, -Infinity] },
  'stale': { TypeError: notNumbers, RangeError: [NaN, -1, -Infinity] },
  'maxHoldMs': { TypeError: notNumbers, RangeError: [NaN, 0, -1, -Infinity] },
  'leaseMs': { TypeError: notNumbers, RangeError: [NaN, 0, -1, 199, 3_600_001, Infinity, -Infinity] },
  'label': { TypeError: notStrings, RangeError: ['x'.repeat(201)] },
  'staleRecovery': { TypeError: [...notStrings, '', 'never', 'Fail-Closed'] },
  'reentrantOwner': { TypeError: notStrings },
  'keepLockFile': { TypeError: notBooleans },
  'signal': { TypeError: [5, 'signal', {}, { aborted: false }, { addEventListener() {} }, new AbortController()] },
  'assertResourceUnborrowed': { TypeError: [5, 'x', {}, true] },
  'retries': { TypeError: notObjects },
  'retries.retries': { TypeError: notNumbers, RangeError: [NaN, -1, 1.5, Infinity, 2 ** 53] },
  'retries.factor': { TypeError: notNumbers, RangeError: [NaN, -1, Infinity] },
  'retries.minTimeout': { TypeError: notNumbers, RangeError: [NaN, -1, Infinity] },
  'retries.maxTimeout': { TypeError: notNumbers, RangeError: [NaN, -1, Infinity] },
  'retries.randomize': { TypeError: notBooleans },
}
const withFileLockOptions = {
  'abortGraceMs': { TypeError: notNumbers, RangeError: [NaN, -1, -Infinity] },
  'onUnhandledRejection': { TypeError: [...notStrings, '', 'throw'] },
}
// Invalid durations of a session fall back to defaults instead of being refused.
const sessionOptions = {
  'leaseMs': fileOptions.leaseMs,
  'label': fileOptions.label,
  'allowReentrant': { TypeError: notBooleans },
  'signal': fileOptions.signal,
}

const CODES = { TypeError: /^ERR_INVALID_ARG_(TYPE|VALUE)$/, RangeError: /^ERR_OUT_OF_RANGE$/ }

/** Options in which `name`, which may be `outer.inner`, is `value`. */
function optionsWith(name, value) {
  const [outer, inner] = name.split('.')
  return { [outer]: inner === undefined ? value : { retries: 3, [inner]: value } }
}

/** Checks that `call` is refused with an error of the given class whose message fits, and that nothing happened. */
async function refused(t, call, type, message, what) {
  const root = scratch(t)
  const { stack } = new Error(`${what} was not refused as it should have been`)
  await assert.rejects(async () => call(join(root, 'missing', 'file')), (error) => {
    assert.equal(error.constructor.name, type, `${error.stack}\n${stack}`)
    assert.match(error.code, CODES[type], stack)
    assert.match(error.message, message, stack)
    return true
  }, what)
  assert.deepEqual(readdirSync(root), [], 'something was created')
  assert.deepEqual(heldLocks(), [])
}

function shown(value) {
  if (typeof value === 'string') return JSON.stringify(value)
  return typeof value === 'object' ? `{ ${Object.keys(value)} }` : String(value)
}

for (const [ways, options] of [
  [fileWays, fileOptions],
  [{ withFileLock: fileWays.withFileLock }, withFileLockOptions],
  [session, sessionOptions],
]) {
  for (const [way, call] of Object.entries(ways)) {
    for (const [name, wrong] of Object.entries(options)) {
      test(`${way} refuses a wrong ${name}`, async (t) => {
        const message = new RegExp(`\\b${name.replace('.', '\\.')}\\b`)
        for (const [type, values] of Object.entries(wrong)) {
          for (const value of values) {
            await refused(t, (path) => call(path, optionsWith(name, value)), type, message, `${name}: ${shown(value)}`)
          }
        }
      })
    }
  }
}

for (const [way, call] of Object.entries(fileWays)) {
  test(`${way} refuses options that are no object`, async (t) => {
    for (const value of notObjects) await refused(t, (path) => call(path, value), 'TypeError', /options/, shown(value))
  })

  test(`${way} refuses gaps between retries that contradict each other`, async (t) => {
    const retries = { retries: 3, minTimeout: 200, maxTimeout: 100 }
    await refused(t, (path) => call(path, { retries }), 'RangeError', /minTimeout.*maxTimeout/, 'minTimeout')
  })

  test(`${way} passes on what reading an option throws`, async (t) => {
    const root = scratch(t)
    const options = {
      get stale() {
        throw new Error('on purpose')
      },
    }
    await assert.rejects(async () => call(join(root, 'file'), options), /on purpose/)
    assert.deepEqual(readdirSync(root), [])
  })

  test(`${way} takes what makes sense, and nothing for a default`, async (t) => {
    const path = join(scratch(t), 'file')
    const enter = async (options) => {
      if (way.startsWith('acquire')) return (await call(path, options)).release()
      return leasehold[way](path, options, () => {})
    }
    for (const name of [...Object.keys(fileOptions), ...Object.keys(withFileLockOptions)]) {
      for (const nothing of [undefined, null]) await enter(optionsWith(name, nothing))
    }
    for (const options of [
      undefined,
      null,
      {},
      Object.create(null),
      { unknown: 1 },
      { timeoutMs: 0.5, stale: 0, maxHoldMs: Infinity, leaseMs: 200, label: '' },
      { timeoutMs: Infinity, stale: Infinity, maxHoldMs: 60_000.5, leaseMs: 3_600_000, label: 'ä'.repeat(200) },
      { timeoutMs: Number.MAX_VALUE, stale: Number.MAX_VALUE, maxHoldMs: Number.MAX_VALUE },
      { timeoutMs: -0, stale: -0, keepLockFile: false, reentrantOwner: '', signal: new AbortController().signal },
      { staleRecovery: 'fail-closed' },
      { staleRecovery: 'remove-if-unchanged' },
      { staleRecovery: 'remove-if-definitely-stale' },
      { retries: {} },
      { retries: { retries: 0 } },
      { retries: { retries: 2 ** 53 - 1, factor: 0, minTimeout: 0, maxTimeout: 0, randomize: true } },
      { retries: { retries: 10, factor: 1e300, minTimeout: 1e300, maxTimeout: 1e300 } },
      new (class Options {
        get timeoutMs() {
          return 5000
        }
      })(),
    ]) {
      await enter(options)
    }
    assert.deepEqual(heldLocks(), [])
  })
}

const everyWay = { ...fileWays, ...session, inspectLock: (path) => inspectLock(path) }

for (const [way, call] of Object.entries(everyWay)) {
  test(`${way} refuses a path that is no string`, async (t) => {
    const name = way === 'acquireSessionWriteLock' ? /sessionFile/ : /path/
    for (const value of [undefined, null, ...notStrings, pathToFileURL('/tmp/file')]) {
      await refused(t, () => call(value), 'TypeError', name, `a path that is ${shown(value ?? 'nothing')}`)
    }
  })

  test(`${way} refuses a path that names no file`, async (t) => {
    const root = scratch(t)
    mkdirSync(join(root, 'there'))
    const { root: top } = parse(root)
    for (const [value, problem] of [
      ['', /empty/],
      ['a\0b', /NUL/],
      [join(root, 'there', 'file') + '\0', /NUL/],
      [`${root}/\0/file`, /NUL/],
      [top, /root/],
      [`${top}..`, /root/],
      [`${top}there/..`, /root/],
    ]) {
      await refused(t, () => call(value), 'TypeError', problem, shown(value))
    }
    assert.deepEqual(readdirSync(root, { recursive: true }), ['there'])
  })

  if (way !== 'inspectLock') {
    test(`${way} fails with the system's own error where a name is too long`, async (t) => {
      const root = scratch(t)
      for (const name of ['x'.repeat(251), 'x'.repeat(300)]) {
        await assert.rejects(async () => call(join(root, name)), { code: 'ENAMETOOLONG' })
      }
      assert.deepEqual(readdirSync(root), [])
      assert.deepEqual(heldLocks(), [])
    })
  }
}

for (const way of ['withFileLock', 'withFileLockSync']) {
  test(`${way} refuses to work without a function`, async (t) => {
    for (const given of [[], [{}], [undefined, undefined], [{}, null], [{}, 'fn'], [{}, {}], [5], [undefined, 5]]) {
      await refused(t, (path) => leasehold[way](path, ...given), 'TypeError', /\bfn\b/, `${given.length} arguments`)
    }
    await refused(t, (path) => leasehold[way](path, never, never), 'TypeError', /options/, 'a function for options')
  })
}

test('acquireSessionWriteLock refuses parameters that are no object', async (t) => {
  for (const params of [undefined, null, ...notObjects, never]) {
    await refused(t, () => acquireSessionWriteLock(params), 'TypeError', /params/, shown(params ?? 'nothing'))
  }
})

test('refusals of asynchronous functions are rejections, not exceptions', async () => {
  for (const ask of [
    () => withFileLock(),
    () => acquireFileLock(),
    () => acquireSessionWriteLock(),
    () => inspectLock(),
    () => acquireFileLock('file', { timeoutMs: 'x' }),
  ]) {
    const asked = ask()
    assert.ok(asked instanceof Promise)
    await assert.rejects(asked, TypeError)
  }
})

test('a handle refuses to append what is no text and no bytes', async (t) => {
  const root = scratch(t)
  await withFileLock(join(root, 'file'), async (handle) => {
    for (const data of [undefined, null, 5, {}, ['x'], true, new ArrayBuffer(1), new Uint16Array(1)]) {
      await assert.rejects(handle.appendFile(data), (error) => {
        assert.ok(error instanceof TypeError)
        assert.equal(error.code, 'ERR_INVALID_ARG_TYPE')
        assert.match(error.message, /data/)
        return true
      })
    }
    assert.deepEqual(readdirSync(root), ['file.lock'])
  })
})
