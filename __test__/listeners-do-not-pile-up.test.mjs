// However many locks are taken, and however often the module is loaded, a process has one set of our listeners.

import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { asAnotherVersion } from './support/bundle.mjs'
import { addonUrl, child, scratch } from './support/index.mjs'
import { SIGNALS, onWindows } from './support/platform.mjs'

/** A second copy of the package, with everything it loads, in another place. `change` changes its code. */
function copyPackage(t, change = (code) => code) {
  const root = dirname(fileURLToPath(addonUrl))
  const copy = join(scratch(t), 'leasehold')
  for (const name of readdirSync(root)) {
    if (/^(index\.js|package\.json|leasehold\..*\.node)$/.test(name)) {
      cpSync(join(root, name), join(copy, name), { recursive: true })
    }
  }
  const index = join(copy, 'index.js')
  writeFileSync(index, change(readFileSync(index, 'utf8')))
  return index
}

test('importing adds no listener; the first lock adds one each, and a thousand locks no more', async (t) => {
  const directory = scratch(t)
  const one = child(
    t,
    async ({ leasehold, send, args: { directory, SIGNALS } }) => {
      const counts = () =>
        Object.fromEntries([...SIGNALS, 'exit', 'beforeExit', 'warning', 'uncaughtException', 'unhandledRejection',
          'uncaughtExceptionMonitor', 'newListener', 'removeListener', 'rejectionHandled',
        ].map((event) => [event, process.listenerCount(event)]))
      const before = counts()
      const { withFileLock } = leasehold
      const imported = counts()
      const use = async (index) => {
        await (await leasehold.acquireFileLock(`${directory}/a${index % 7}`)).release()
        await (await leasehold.acquireSessionWriteLock({ sessionFile: `${directory}/s${index % 5}` })).release()
        leasehold.withFileLockSync(`${directory}/b`, () => {})
        await withFileLock(`${directory}/c`, () => {})
      }
      await use(0)
      const first = counts()
      const warnings = []
      process.on('warning', (warning) => warnings.push(warning.message))
      for (let index = 1; index < 250; index += 1) await use(index)
      const aborting = new AbortController()
      let added = 0
      const { signal } = aborting
      for (const [name, change] of [['addEventListener', 1], ['removeEventListener', -1]]) {
        const method = signal[name]
        signal[name] = (...rest) => ((added += change), method.apply(signal, rest))
      }
      for (let index = 0; index < 50; index += 1) {
        await Promise.all([1, 2].map(() => withFileLock(`${directory}/d`, { signal: aborting.signal }, () => {})))
      }
      process.removeAllListeners('warning')
      send({ before, imported, first, last: { ...counts(), warning: first.warning }, warnings, added })
    },
    { args: { directory, SIGNALS } },
  )
  const { before, imported, first, last, warnings, added } = await one.next('first')
  assert.deepEqual(imported, before, 'importing changes nothing')
  assert.deepEqual(last, first)
  for (const signal of SIGNALS) assert.equal(first[signal] - before[signal], 1, signal)
  for (const [event, count] of Object.entries(first)) assert.ok(count - before[event] <= 1, event)
  assert.equal(first.unhandledRejection - before.unhandledRejection, 0, 'alone it would change what Node does')
  assert.equal(first.uncaughtException - before.uncaughtException, 0)
  assert.deepEqual(warnings, [])
  assert.equal(added, 0, 'no listener stays on a signal')
})

for (const [name, load] of [
  ['the same files loaded twice', () => null],
  ['a second installation', copyPackage],
]) {
  test(`${name}: there is one set of listeners, and calls know of each other`, async (t) => {
    const directory = scratch(t)
    const copy = load(t)
    const one = child(
      t,
      async ({ leasehold, addonUrl, send, args: { directory, copy } }) => {
        const { createRequire } = await import('node:module')
        const { fileURLToPath } = await import('node:url')
        const require = createRequire(addonUrl)
        const warnings = []
        process.on('warning', ({ name }) => warnings.push(name))
        process.on('unhandledRejection', () => {})
        const counts = () => process.eventNames().map((event) => [String(event), process.listenerCount(event)])
        const path = `${directory}/one`
        await leasehold.withFileLock(path, () => {})
        const first = counts()
        const copies = [leasehold]
        for (let time = 0; time < 12; time += 1) {
          for (const key of Object.keys(require.cache)) delete require.cache[key]
          copies.push(require(copy ?? fileURLToPath(addonUrl)))
          await copies.at(-1).withFileLock(path, () => {})
        }
        const again = copies.at(-1)
        await leasehold.withFileLock(path, () => again.withFileLock(path, { timeoutMs: 0 }, async () => {
          const late = Promise.reject(new Error('handled late'))
          setTimeout(() => late.catch(() => {}), 20)
          await new Promise((resolve) => process.on('warning', resolve))
        }))
        process.removeAllListeners('warning')
        const held = await leasehold.acquireFileLock(path)
        const refused = await again.acquireFileLock(path, { timeoutMs: 0 }).catch((error) => error)
        await held.release()
        send({
          different: new Set(copies).size,
          first: Object.fromEntries(first.filter(([event]) => event !== 'warning')),
          last: Object.fromEntries(counts()),
          warnings,
          known: refused instanceof leasehold.FileLockTimeoutError,
        })
      },
      { args: { directory, copy } },
    )
    const { different, first, last, warnings, known } = await one.next('first')
    assert.equal(different, 13)
    assert.deepEqual(last, first)
    assert.deepEqual(warnings, ['PromiseRejectionHandledWarning'])
    assert.ok(known)
    assert.equal((await one.exit).code, 0)
  })
}

test('two versions in one process exclude each other, and a signal ends it and the locks of both', async (t) => {
  const directory = scratch(t)
  const one = child(
    t,
    async ({ leasehold, send, next, args: { directory, copy } }) => {
      const { createRequire } = await import('node:module')
      const other = createRequire(copy)(copy)
      if (other.withFileLock === leasehold.withFileLock) throw new Error('they are the same')
      globalThis.kept = [await leasehold.acquireFileLock(`${directory}/one`)]
      globalThis.kept.push(await other.acquireFileLock(`${directory}/two`))
      send({ refused: await other.acquireFileLock(`${directory}/one`, { timeoutMs: 50 }).catch(({ code }) => code) })
      await next('break')
      process.emit('SIGBREAK', 'SIGBREAK', 21) // as from the console, which is the only one to send it
    },
    { args: { directory, copy: copyPackage(t, asAnotherVersion) } },
  )
  assert.equal((await one.next('refused')).refused, 'file_lock_timeout')
  assert.deepEqual(readdirSync(directory), ['one.lock', 'two.lock'])
  if (onWindows) one.send({ break: true })
  else one.kill('SIGTERM')
  const { code, signal } = await one.exit
  assert.ok(onWindows ? code === 0xc000013a : signal === 'SIGTERM', `${code} ${signal}`)
  assert.deepEqual(readdirSync(directory), [])
})
