// The package keeps its promises in programs that bundle, minify and lower it, or load it more than once.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { asAnotherVersion, bundle } from './support/bundle.mjs'

const PROGRAM = `
  const leasehold = require('leasehold')
  const { acquireFileLock, acquireSessionWriteLock, withFileLock } = leasehold
  const { directory } = globalThis.test.args
  const { send } = globalThis.test
  const keep = (globalThis.keep = {})
  const losses = {
    async dropped() { await acquireFileLock(directory + '/dropped') },
    async destructured() {
      const { release } = await acquireSessionWriteLock({ sessionFile: directory + '/destructured' })
    },
    async thrown() {
      const lock = await acquireFileLock(directory + '/thrown')
      JSON.parse('{')
      await lock.release()
    },
    async hanging() {
      void withFileLock(directory + '/hanging', async (lock) => { await new Promise(() => {}); lock.assertHeld() })
    },
    async racing() {
      const late = new Promise((resolve) => setTimeout(resolve, 20))
      await Promise.race([withFileLock(directory + '/racing', async () => { await new Promise(() => {}) }), late])
    },
  }
  const uses = {
    async handle() { keep.handle = await acquireFileLock(directory + '/handle') },
    async release() { keep.release = (await acquireFileLock(directory + '/release')).release },
    async signal() { keep.signal = (await acquireFileLock(directory + '/signal')).signal },
    async timer() {
      void withFileLock(directory + '/timer', async () => {
        await new Promise((resolve) => setTimeout(resolve, 60000))
      })
    },
    async resolver() {
      void withFileLock(directory + '/resolver', async () => {
        await new Promise((resolve) => (keep.resolve = resolve))
      })
    },
  }
  void (async () => {
    process.on('warning', () => {})
    for (const way of [...Object.values(losses), ...Object.values(uses)]) await way().catch(() => {})
    const error = await acquireFileLock(directory + '/handle', { timeoutMs: 0 }).catch((error) => error)
    send({ ready: true, name: error.name, isOurs: error instanceof leasehold.FileLockTimeoutError, stack: error.stack })
    setInterval(() => {}, 60000)
  })()
`

const lost = ['dropped', 'destructured', 'thrown', 'hanging', 'racing']
const used = ['handle', 'release', 'signal', 'timer', 'resolver']

describe('a bundle', { concurrency: 2 }, () => {
  for (const [format, file] of [['of ES modules', 'bundle.mjs'], ['of CommonJS', 'bundle.cjs']]) {
    test(`${format} loses no lock for good, and gives none away that is in use`, async (t) => {
      const directory = scratch(t)
      bundle(join(directory, file), PROGRAM)
      const program = child(t, `await import('${pathToFileURL(join(directory, file))}')`, { args: { directory } })
      const { name, isOurs, stack } = await program.next('ready')
      assert.equal(name, 'FileLockTimeoutError')
      assert.ok(isOurs)
      assert.match(stack, /^FileLockTimeoutError: /)
      const back = lost.map(async (each) => (await leasehold.acquireFileLock(join(directory, each))).release())
      await Promise.all(back)
      const asked = used.map((each) => leasehold.acquireFileLock(join(directory, each), { timeoutMs: 3500 }))
      const outcomes = await Promise.allSettled(asked)
      assert.deepEqual(outcomes.map(({ reason }) => reason?.code), used.map(() => 'file_lock_timeout'))
    })
  }

  test('and another version, in one process, exclude each other and share one way to end', async (t) => {
    const directory = scratch(t)
    const file = join(directory, 'bundle.cjs')
    bundle(file, `globalThis.bundled = require('leasehold')`)
    writeFileSync(file, asAnotherVersion(readFileSync(file, 'utf8')))
    const program = child(
      t,
      async ({ leasehold, send, next, args: { directory, url } }) => {
        await import(url)
        const { bundled } = globalThis
        if (bundled.withFileLock === leasehold.withFileLock) throw new Error('they are the same')
        const lock = await bundled.acquireFileLock(`${directory}/file`)
        const refused = await leasehold.acquireFileLock(`${directory}/file`, { timeoutMs: 0 }).catch(({ code }) => code)
        const next2 = leasehold.acquireFileLock(`${directory}/file`)
        await lock.release()
        await (await next2).release()
        // Both copies listen while the program does, and neither takes the other's listener for the program's.
        const count = () => globalThis.process.listenerCount('unhandledRejection')
        const listener = () => {}
        for (const each of [bundled, leasehold]) await each.withFileLock(`${directory}/file`, () => {})
        const counts = [count()]
        globalThis.process.on('unhandledRejection', listener)
        counts.push(count())
        globalThis.process.off('unhandledRejection', listener)
        counts.push(count())
        globalThis.kept = await bundled.acquireFileLock(`${directory}/file`)
        send({ refused, counts })
        await next('reject')
        Promise.reject(new Error('nobody handles this'))
        setInterval(() => {}, 60_000)
      },
      { args: { directory, url: pathToFileURL(file) } },
    )
    assert.deepEqual(await program.next('counts'), { refused: 'file_lock_timeout', counts: [0, 3, 0] })
    assert.ok(existsSync(join(directory, 'file.lock')))
    program.send({ reject: true })
    const { code, stderr } = await program.exit
    assert.equal(code, 1)
    assert.match(stderr, /nobody handles this/)
    await until(() => !existsSync(join(directory, 'file.lock')))
  })
})
