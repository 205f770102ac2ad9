// Work that was aborted, or in which something rejected, loses only its own claim on a lock: healthy work that shares
// the lock keeps it.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch, sleep, until } from './support/index.mjs'
import { outside } from './support/outside.mjs'
import { patience } from './support/platform.mjs'

const { acquireFileLock, withFileLock } = leasehold

/** Neither holding a lock nor waiting for news of it keeps a process alive: this does. */
function stayAlive(t) {
  const alive = setInterval(() => {}, 60_000)
  t.after(() => clearInterval(alive))
}

/** A promise with its resolver. */
function deferred() {
  const self = {}
  self.promise = new Promise((resolve) => (self.resolve = resolve))
  return self
}

const GRACE = 150

describe('an aborted call', { concurrency: 4 }, () => {
  test('inside another one for the same file leaves that its lock, when it settles in time', async (t) => {
    stayAlive(t)
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    await withFileLock(path, async (outer) => {
      const inner = await withFileLock(path, { signal: controller.signal, abortGraceMs: GRACE }, async () => {
        controller.abort()
        return 'settled'
      })
      assert.equal(inner, 'settled')
      await sleep(4 * GRACE)
      outer.assertHeld()
    })
  })

  test('inside another one for the same file leaves that its lock, even if it never settles', async (t) => {
    stayAlive(t)
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    const stuck = deferred()
    let inner
    await withFileLock(path, async (outer) => {
      inner = withFileLock(path, { signal: controller.signal, abortGraceMs: GRACE }, () => stuck.promise)
      await sleep(20)
      controller.abort()
      await sleep(4 * GRACE)
      outer.assertHeld()
    })
    // Only the call whose grace is over is left.
    const next = await outside(() => acquireFileLock(path))
    stuck.resolve()
    await assert.rejects(inner, { code: 'file_lock_lost', reason: 'aborted' })
    next.assertHeld()
    await next.release()
  })

  test('around another one for the same file takes the lock from both', async (t) => {
    stayAlive(t)
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    const stuck = deferred()
    let inner
    const outer = withFileLock(path, { signal: controller.signal, abortGraceMs: GRACE }, () =>
      withFileLock(path, (lock) => {
        inner = lock
        return stuck.promise
      }),
    )
    await until(() => inner)
    controller.abort()
    const next = await acquireFileLock(path)
    assert.equal(inner.signal.reason?.reason ?? inner.held, 'aborted')
    stuck.resolve()
    await assert.rejects(outer, { code: 'file_lock_lost', reason: 'aborted' })
    await next.release()
  })

  test('takes no lock of another file from the call around it', async (t) => {
    stayAlive(t)
    const directory = scratch(t)
    const controller = new AbortController()
    const [stuck, started] = [deferred(), deferred()]
    const result = await withFileLock(join(directory, 'outer'), async (outer) => {
      const inner = withFileLock(join(directory, 'inner'), { signal: controller.signal, abortGraceMs: 0 }, () => {
        started.resolve()
        return stuck.promise
      })
      await started.promise
      controller.abort()
      await (await outside(() => acquireFileLock(join(directory, 'inner')))).release()
      outer.assertHeld()
      stuck.resolve()
      return inner.catch(({ reason }) => reason)
    })
    assert.equal(result, 'aborted')
  })

  test('leaves the lock to another call of the same owner, until that ends', async (t) => {
    stayAlive(t)
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    const [stuck, well] = [deferred(), deferred()]
    const reentrantOwner = 'the same'
    const one = withFileLock(path, { reentrantOwner, signal: controller.signal, abortGraceMs: 0 }, () => stuck.promise)
    let handle
    const two = withFileLock(path, { reentrantOwner }, (lock) => {
      handle = lock
      return well.promise
    })
    await until(() => handle)
    controller.abort()
    await assert.rejects(acquireFileLock(path, { timeoutMs: 700 }), { code: 'file_lock_timeout' })
    handle.assertHeld()
    well.resolve('well')
    assert.equal(await two, 'well')
    const next = await acquireFileLock(path)
    stuck.resolve()
    await assert.rejects(one, { code: 'file_lock_lost', reason: 'aborted' })
    await next.release()
  })

  test('that was aborted before is refused, and one aborted afterwards is not touched', async (t) => {
    stayAlive(t)
    const path = join(scratch(t), 'file')
    const before = withFileLock(path, { signal: AbortSignal.abort(new Error('before')) }, () => assert.fail())
    await assert.rejects(before, { message: 'before' })
    const controller = new AbortController()
    assert.equal(await withFileLock(path, { signal: controller.signal, abortGraceMs: 0 }, () => 'done'), 'done')
    const next = await acquireFileLock(path)
    controller.abort()
    await sleep(300)
    next.assertHeld()
    await next.release()
  })

  for (const [name, abortsSoon] of Object.entries({
    'AbortSignal.timeout': () => AbortSignal.timeout(500 * patience),
    'AbortSignal.any': () => AbortSignal.any([new AbortController().signal, AbortSignal.timeout(500 * patience)]),
  })) {
    test(`by ${name} loses its lock after the grace`, async (t) => {
      stayAlive(t)
      const path = join(scratch(t), 'file')
      const stuck = deferred()
      const started = deferred()
      const work = withFileLock(path, { signal: abortsSoon(), abortGraceMs: GRACE }, () => {
        started.resolve()
        return stuck.promise
      })
      await started.promise
      const next = await acquireFileLock(path)
      stuck.resolve()
      await assert.rejects(work, { reason: 'aborted' })
      await next.release()
    })
  }
})

describe('a rejection that nobody handles', { concurrency: 4 }, () => {
  /** A process that survives rejections, with `deferred`, `outer` and `inner` in its script. */
  const surviving = (t, script, args) =>
    child(
      t,
      `const { leasehold, send, next, args } = globalThis.test
       const { acquireFileLock, withFileLock } = leasehold
       const alive = setInterval(() => {}, 60_000)
       const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
       process.on('unhandledRejection', () => {})
       process.on('warning', () => {})
       const fail = () => void Promise.reject(new Error('nobody handles this'))
       const keep = new Set()
       const stuck = () => new Promise((resolve) => keep.add(resolve))
       ${script}
       clearInterval(alive)`,
      { args },
    )

  for (const [name, script, expected] of [
    [
      'after a call inside for the same file ended takes the lock',
      `const work = withFileLock(args.path, async () => {
         await withFileLock(args.path, () => {})
         fail()
         await stuck()
       })
       await (await acquireFileLock(args.path)).release()
       for (const resolve of keep) resolve()
       send({ result: await work.catch(({ reason }) => reason) })`,
      'unhandled-rejection',
    ],
    [
      'in a call inside takes both locks, if both are stuck',
      `const work = withFileLock(args.path, () => withFileLock(args.path + 2, () => {
         fail()
         return stuck()
       }))
       await (await acquireFileLock(args.path)).release()
       await (await acquireFileLock(args.path + 2)).release()
       for (const resolve of keep) resolve()
       send({ result: await work.catch((error) => error.reason + ' because of ' + error.cause.reason) })`,
      'unhandled-rejection because of unhandled-rejection',
    ],
    [
      'in a call inside that ends all the same takes nothing from the one around it',
      `const work = withFileLock(args.path, async (outer) => {
         await withFileLock(args.path + 2, async () => {
           fail()
           await sleep(100)
         })
         await sleep(1500)
         outer.assertHeld()
         return 'well'
       })
       send({ result: await work.catch((error) => error.reason) })`,
      'well',
    ],
    [
      'left behind by a call inside takes nothing from the one around it',
      `const work = withFileLock(args.path, async (outer) => {
         await withFileLock(args.path, () => void setTimeout(fail, 50))
         await sleep(1500)
         outer.assertHeld()
         return 'well'
       })
       send({ result: await work.catch((error) => error.reason) })`,
      'well',
    ],
    [
      'in one of two calls of the same owner leaves the lock to the other',
      `const options = { reentrantOwner: 'both' }
       const one = withFileLock(args.path, options, () => (fail(), stuck()))
       const two = withFileLock(args.path, options, async (lock) => {
         await sleep(1500)
         lock.assertHeld()
         return 'well'
       })
       send({ result: await two.catch((error) => error.reason) })`,
      'well',
    ],
    [
      'where the outer call ignores them takes only the lock of the inner one',
      `const work = withFileLock(args.path, { onUnhandledRejection: 'ignore' }, async (outer) => {
         const inner = withFileLock(args.path + 2, () => (fail(), stuck()))
         await sleep(1500)
         outer.assertHeld()
         for (const resolve of keep) resolve()
         return inner.catch((error) => error.reason)
       })
       send({ result: await work.catch((error) => 'all of them: ' + error.reason) })`,
      'unhandled-rejection',
    ],
  ]) {
    test(name, async (t) => {
      const process = surviving(t, script, { path: join(scratch(t), 'file') })
      assert.equal((await process.next('result')).result, expected)
      assert.equal((await process.exit).code, 0)
    })
  }
})
