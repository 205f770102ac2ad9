// A lock is released once, by its owner, however its holder ends.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { child, holder, leasehold, scratch } from './support/index.mjs'
import { noModes } from './support/platform.mjs'

const {
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  releaseAllLocksSync,
  withFileLock,
  withFileLockSync,
} = leasehold
const SOON = { timeoutMs: 150 }

const acquiring = {
  acquireFileLock: (path, options) => acquireFileLock(path, options),
  acquireSessionWriteLock: (path) => acquireSessionWriteLock({ sessionFile: path, allowReentrant: false }),
  acquireFileLockSync: async (path, options) => acquireFileLockSync(path, options),
}

for (const [name, acquire] of Object.entries(acquiring)) {
  test(`a handle of ${name} can be released any number of times`, async (t) => {
    const path = join(scratch(t), 'file')
    const handle = await acquire(path)
    assert.equal(handle.held, true)
    assert.equal(await handle.release(), undefined)
    assert.equal(existsSync(handle.lockPath), false)
    assert.equal(handle.held, false)
    assert.throws(() => handle.assertHeld(), { code: 'file_lock_released' })
    assert.deepEqual(await Promise.all([handle.release(), handle.release()]), [undefined, undefined])
    assert.equal(handle.releaseSync(), undefined)
    assert.deepEqual(heldLocks(), [])
  })

  test(`a handle of ${name} can be taken apart`, async (t) => {
    const path = join(scratch(t), 'file')
    const { release, lockPath } = await acquire(path)
    assert.ok(existsSync(lockPath))
    await release()
    assert.equal(existsSync(lockPath), false)
    const copy = { ...(await acquire(path)) }
    assert.equal(copy.lockPath, lockPath)
    await copy.release()
    assert.equal(existsSync(lockPath), false)
  })
}

test('several releases at once release once', async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path)
  const next = acquireFileLock(path)
  await Promise.all([handle.release(), handle.release(), handle.release()])
  const successor = await next
  await turn()
  successor.assertHeld()
  await successor.release()
})

test('a late release does not touch a successor of the same process', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireFileLock(path)
  const next = acquireFileLock(path)
  await first.release()
  const second = await next
  await first.release()
  first.releaseSync()
  second.assertHeld()
  await second.release()
  const third = await acquireFileLock(path)
  await first.release()
  await second.release()
  third.assertHeld()
  await third.release()
})

test('a handle that was released tells nothing of those that followed', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await leasehold.acquireFileLock(path)
  const { token } = first
  await first.release()
  const next = await leasehold.acquireFileLock(path)
  assert.ok(next.token > token)
  assert.equal(first.token, token)
  assert.equal(first.held, false)
  assert.equal(first.recoveredFrom ?? undefined, undefined)
  const isReleased = { code: 'file_lock_released', lockPath: first.lockPath }
  assert.throws(() => first.assertHeld(), isReleased)
  await assert.rejects(first.appendFile('x'), isReleased)
  await assert.rejects(leasehold.writeJsonFileAtomically(path, {}, { lock: first }), isReleased)
  assert.equal(existsSync(path), false)
  first.releaseSync()
  assert.equal(first.signal.aborted, false)
  next.assertHeld()
  leasehold.releaseAllLocksSync()
  assert.equal(first.signal.aborted, false)
  assert.equal(next.signal.aborted, true)
  assert.throws(() => first.assertHeld(), isReleased)
  await next.release()
})

test('the signal of a handle that was released hears nothing of those that followed', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await leasehold.acquireFileLock(path)
  const { signal } = first
  await first.release()
  const next = await leasehold.acquireFileLock(path)
  const told = once(process, 'warning')
  leasehold.releaseAllLocksSync()
  await told
  assert.equal(signal.aborted, false)
  assert.equal(first.signal, signal)
  assert.equal(next.signal.aborted, true)
  await next.release()
})

test('whoever is called during a release finds the lock released', async (t) => {
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel')
  const path = join(scratch(t), 'file')
  const lock = await leasehold.acquireFileLock(path)
  const errors = []
  const again = () => {
    try {
      lock.releaseSync()
    } catch (error) {
      errors.push(error)
    }
  }
  subscribe('leasehold:released', again)
  t.after(() => unsubscribe('leasehold:released', again))
  await lock.release()
  assert.deepEqual(errors, [])
  assert.equal(existsSync(lock.lockPath), false)
})

test('a handle tells after its release, too, from what its lock was recovered', async (t) => {
  const path = join(scratch(t), 'file')
  writeFileSync(`${path}.lock`, JSON.stringify({ pid: 4_194_305, createdAt: new Date(0).toISOString() }))
  const lock = await leasehold.acquireFileLock(path)
  const { recoveredFrom } = lock
  assert.equal(typeof recoveredFrom, 'string')
  await lock.release()
  assert.equal(lock.recoveredFrom, recoveredFrom)
})

test('the release of a lock that was taken away does not touch a successor', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireFileLock(path)
  process.once('warning', () => {}) // about the loss
  releaseAllLocksSync()
  assert.equal(first.held, false)
  const second = await acquireFileLock(path, SOON)
  await first.release()
  first.releaseSync()
  second.assertHeld()
  await second.release()
})

for (const noticed of [false, true]) {
  const when = noticed ? 'that was noticed' : 'that nobody noticed'
  test(`the release of a lock file that was removed ${when} does not touch a successor elsewhere`, async (t) => {
    const path = join(scratch(t), 'file')
    const first = child(
      t,
      async ({ leasehold, send, next, args: { path, noticed } }) => {
        const handle = await leasehold.acquireFileLock(path)
        send({ held: true })
        await next('release')
        if (noticed) send({ code: codeOf(() => handle.assertHeld()) })
        await handle.release()
        handle.releaseSync()
        send({ released: true })
        await next('never')

        function codeOf(fails) {
          try {
            fails()
          } catch (error) {
            return error.code
          }
        }
      },
      { args: { path, noticed } },
    )
    await first.next('held')
    unlinkSync(`${path}.lock`)
    const other = await holder(t, path, { label: 'successor' })
    first.send({ release: true })
    if (noticed) assert.equal((await first.next('code')).code, 'file_lock_lost')
    await first.next('released')
    const { owner } = await inspectLock(path)
    assert.equal(owner.pid, other.pid)
    assert.equal(owner.label, 'successor')
    await assert.rejects(acquireFileLock(path, SOON), { code: 'file_lock_timeout' })
    await other.release()
    await (await acquireFileLock(path, SOON)).release()
  })
}

test('waiting works as ever after a release that found its lock file removed', async (t) => {
  const root = scratch(t)
  const other = await holder(t, join(root, 'second'))
  // In a process of its own: it might wait for ever.
  const waiter = child(
    t,
    async ({ leasehold, send, args: { root } }) => {
      const { unlinkSync } = await import('node:fs')
      const { setImmediate: turn } = await import('node:timers/promises')
      process.on('warning', (warning) => send({ warned: warning.code }))
      const first = await leasehold.acquireFileLock(`${root}/first`)
      unlinkSync(first.lockPath)
      await first.release()
      await turn()
      const asked = leasehold.acquireFileLock(`${root}/second`, { timeoutMs: 5000 })
      send({ asked: true })
      await (await asked).release()
      send({ served: true })
    },
    { args: { root } },
  )
  await waiter.next('asked')
  await other.release()
  await waiter.next('served', { timeoutMs: 10_000 })
  assert.deepEqual(await waiter.next('warned', { timeoutMs: 20_000 }), { warned: 'LEASEHOLD_LOCK_LOST' })
})

test('a handle is disposed of by its symbols', { skip: !Symbol.asyncDispose }, async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path)
  assert.equal(await handle[Symbol.asyncDispose](), undefined)
  assert.equal(existsSync(handle.lockPath), false)
  await handle[Symbol.asyncDispose]()
  const sync = acquireFileLockSync(path)
  assert.equal(sync[Symbol.dispose](), undefined)
  assert.equal(existsSync(sync.lockPath), false)
  sync[Symbol.dispose]()
  assert.deepEqual(heldLocks(), [])
})

/** The function whose body is `source`, if this version of Node can parse it. */
function compiled(source, AsyncFunction = (async () => {}).constructor) {
  try {
    return new AsyncFunction('leasehold', 'path', 'assertHeld', source)
  } catch {
    return undefined
  }
}

test('"await using" and "using" release', async (t) => {
  const work = compiled(`
    {
      await using handle = await leasehold.acquireFileLock(path)
      assertHeld(handle)
    }
    try {
      using handle = leasehold.acquireFileLockSync(path, { timeoutMs: 150 })
      assertHeld(handle)
      throw new Error('on purpose')
    } catch (error) {
      if (error.message !== 'on purpose') throw error
    }
    {
      await using handle = await leasehold.acquireFileLock(path, { timeoutMs: 150 })
      await handle.release()
    }
  `)
  if (work === undefined) return t.skip('this version of Node has no such syntax')
  const path = join(scratch(t), 'file')
  await work(leasehold, path, (handle) => handle.assertHeld())
  assert.equal(existsSync(`${path}.lock`), false)
})

const endings = {
  'returns a value': [() => 7, 7],
  'returns nothing': [() => {}, undefined],
  'resolves': [async () => 'value', 'value'],
  'resolves later': [async () => turn('value'), 'value'],
  'returns a thenable': [() => ({ then: (resolve) => resolve('value') }), 'value'],
}

for (const [how, [fn, expected]] of Object.entries(endings)) {
  test(`withFileLock releases when fn ${how}`, async (t) => {
    const path = join(scratch(t), 'file')
    assert.equal(await withFileLock(path, fn), expected)
    assert.equal(existsSync(`${path}.lock`), false)
    assert.deepEqual(heldLocks(), [])
  })
}

const reasons = {
  'an error': new TypeError('on purpose'),
  'a string': 'on purpose',
  'null': null,
  'nothing': undefined,
}

for (const [what, reason] of Object.entries(reasons)) {
  const failures = {
    throws: () => {
      throw reason
    },
    'throws later': async () => {
      await turn()
      throw reason
    },
    rejects: () => Promise.reject(reason),
  }
  for (const [how, fn] of Object.entries(failures)) {
    test(`withFileLock releases when fn ${how} with ${what}, and passes it on`, async (t) => {
      const path = join(scratch(t), 'file')
      const settled = await Promise.allSettled([withFileLock(path, fn)])
      assert.deepEqual(settled, [{ status: 'rejected', reason }])
      assert.equal(settled[0].reason, reason)
      assert.equal(existsSync(`${path}.lock`), false)
    })
  }
  test(`withFileLockSync releases when fn throws ${what}, and passes it on`, async (t) => {
    const path = join(scratch(t), 'file')
    let caught = 'nothing was thrown'
    try {
      withFileLockSync(path, failures.throws)
    } catch (error) {
      caught = error
    }
    assert.equal(caught, reason)
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('withFileLockSync returns what fn returns, and refuses a promise', async (t) => {
  const root = scratch(t)
  const path = join(root, 'file')
  const value = {}
  assert.equal(withFileLockSync(path, () => value), value)
  assert.throws(() => withFileLockSync(path, async () => {}), TypeError)
  assert.deepEqual(readdirSync(root), [])
})

test('fn may release its handle itself', async (t) => {
  const path = join(scratch(t), 'file')
  let successor
  const result = await withFileLock(path, async (handle) => {
    await handle.release()
    successor = await acquireFileLock(path, SOON)
    return 'done'
  })
  assert.equal(result, 'done')
  successor.assertHeld()
  await successor.release()
})

test('a release that could not remove the lock file ends the same way each time', { skip: noModes }, async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  chmodSync(directory, 0o777)
  const releasing = child(
    t,
    async ({ leasehold, send, args: { path, directory, user } }) => {
      const { chmodSync } = await import('node:fs')
      const { subscribe } = await import('node:diagnostics_channel')
      let published = 0
      subscribe('leasehold:released', () => published++)
      if (user) process.setuid(user)
      const outcomes = []
      const note = async (release) => {
        try {
          await release()
          outcomes.push('released')
        } catch (error) {
          outcomes.push(error.code)
        }
      }
      const lock = await leasehold.acquireFileLock(path)
      send({ acquired: true })
      await globalThis.test.next('readOnly')
      for (const release of [lock.release, () => lock.releaseSync(), lock.release]) await note(release)
      send({ outcomes, published, held: lock.held })
    },
    // Root may remove everything.
    { args: { path, directory, user: process.getuid() === 0 ? 65_534 : undefined }, nodeArgs: ['--no-warnings'] },
  )
  await releasing.next('acquired')
  chmodSync(directory, 0o555)
  const outcomes = Array(3).fill('file_lock_not_removed')
  releasing.send({ readOnly: true })
  assert.deepEqual(await releasing.next('outcomes'), { outcomes, published: 1, held: false })
  chmodSync(directory, 0o777)
})
