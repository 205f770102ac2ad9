// A caller with an AbortSignal stops waiting when it aborts, and leaves nothing behind.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'

const { acquireFileLock, acquireFileLockSync, acquireSessionWriteLock, heldLocks, withFileLock, withFileLockSync } =
  leasehold
const LONG = { timeoutMs: 60_000 }
const reason = new Error('changed my mind')
const isReason = (error) => error === reason
const listeners = (signal) => getEventListeners(signal, 'abort').length

/** The waiting functions, as `(path, signal, options) => handle`. */
const ways = {
  withFileLock: (path, signal, options) => withFileLock(path, { ...LONG, ...options, signal }, () => 'done'),
  acquireFileLock: (path, signal, options) => acquireFileLock(path, { ...LONG, ...options, signal }),
  acquireSessionWriteLock: (sessionFile, signal, options) =>
    acquireSessionWriteLock({ sessionFile, ...LONG, allowReentrant: false, ...options, signal }),
}
const syncWays = {
  acquireFileLockSync: (path, signal) => acquireFileLockSync(path, { ...LONG, signal }),
  withFileLockSync: (path, signal) => withFileLockSync(path, { ...LONG, signal }, () => assert.fail('it got in')),
}

function aborted() {
  const controller = new AbortController()
  controller.abort(reason)
  return controller.signal
}

/** Checks that the lock of `path` is free, and that no trace of the request is left. */
async function free(path) {
  // If the lock was being taken when the abort came, it is released a moment later.
  await until(() => heldLocks().length === 0 && !existsSync(`${path}.lock`))
  await (await acquireFileLock(path)).release()
  assert.equal(existsSync(`${path}.lock`), false)
}

for (const [name, ask] of Object.entries(ways)) {
  test(`${name} does nothing with a signal that is aborted already`, async (t) => {
    const root = scratch(t)
    const signal = aborted()
    const asked = ask(join(root, 'missing', 'file'), signal)
    assert.equal(listeners(signal), 0)
    await assert.rejects(asked, isReason)
    assert.deepEqual(readdirSync(root), [])
  })

  test(`${name} gives up while it waits for a task of this process`, async (t) => {
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    const first = await acquireFileLock(path)
    const asked = ask(path, controller.signal)
    const behind = acquireFileLock(path, LONG)
    await turn()
    assert.equal(listeners(controller.signal), 1)
    controller.abort(reason)
    assert.equal(listeners(controller.signal), 0)
    await assert.rejects(asked, isReason)
    first.assertHeld()
    await first.release()
    await (await behind).release()
    await free(path)
  })

  test(`${name} gives up while it waits for another process`, async (t) => {
    const path = join(scratch(t), 'file')
    const controller = new AbortController()
    const other = await holder(t, path)
    const asked = ask(path, controller.signal)
    const behind = acquireFileLock(path, LONG)
    await sleep(20)
    controller.abort(reason)
    assert.equal(listeners(controller.signal), 0)
    await assert.rejects(asked, isReason)
    await other.release()
    await (await behind).release()
    await free(path)
  })

  test(`${name} gives up on the first use of a directory`, async (t) => {
    const root = scratch(t)
    for (let round = 0; round < 20; round += 1) {
      const path = join(root, `new-${round}`, 'file')
      const controller = new AbortController()
      const asked = ask(path, controller.signal)
      const behind = round % 2 === 0 ? undefined : acquireFileLock(path, LONG)
      controller.abort(reason)
      await assert.rejects(asked, isReason)
      assert.equal(listeners(controller.signal), 0)
      await (await behind)?.release()
      await free(path)
    }
  })

  test(`${name} leaves no listener however it ends`, async (t) => {
    const root = scratch(t)
    const { signal } = new AbortController()
    const path = join(root, 'file')
    const ended = async (asked) => {
      const [{ value, reason }] = await Promise.allSettled([asked])
      await value?.release?.()
      assert.equal(listeners(signal), 0)
      return reason?.code
    }
    assert.equal(await ended(ask(path, signal)), undefined, 'on first use')
    assert.equal(await ended(ask(path, signal)), undefined, 'at once')
    const other = await holder(t, path)
    assert.match(await ended(ask(path, signal, { timeoutMs: 30 })), /_timeout$/i)
    const asked = ask(path, signal)
    await other.release()
    assert.equal(await ended(asked), undefined, 'after waiting')
    writeFileSync(join(root, 'no-directory'), '')
    assert.ok(['ENOTDIR', 'EEXIST'].includes(await ended(ask(join(root, 'no-directory', 'file'), signal))))
    assert.equal(await ended(ask(path, signal, { leaseMs: 'x' })), 'ERR_INVALID_ARG_TYPE')
    assert.equal(await ended(ask('', signal)), 'ERR_INVALID_ARG_VALUE')
  })
}

for (const [name, ask] of Object.entries(syncWays)) {
  test(`${name} does nothing with a signal that is aborted already`, async (t) => {
    const root = scratch(t)
    assert.throws(() => ask(join(root, 'missing', 'file'), aborted()), isReason)
    assert.deepEqual(readdirSync(root), [])
  })
}

test('withFileLock leaves no listener when fn fails', async (t) => {
  const path = join(scratch(t), 'file')
  const { signal } = new AbortController()
  for (const fn of [() => Promise.reject(reason), () => { throw reason }]) {
    await assert.rejects(withFileLock(path, { signal }, fn), isReason)
    assert.equal(listeners(signal), 0)
  }
})

for (const [what, give, check] of [
  ['an object', () => AbortSignal.abort(reason), isReason],
  ['nothing', () => AbortSignal.abort(), (error) => error.name === 'AbortError'],
  ['null', () => AbortSignal.abort(null), (error) => error === null],
  ['a string', () => AbortSignal.abort('enough'), (error) => error === 'enough'],
  ['a timeout', () => AbortSignal.timeout(20), (error) => error.name === 'TimeoutError'],
  ['another signal', () => AbortSignal.any([AbortSignal.timeout(20)]), (error) => error.name === 'TimeoutError'],
]) {
  test(`the reason is passed through when it is ${what}`, async (t) => {
    const path = join(scratch(t), 'file')
    const handle = await acquireFileLock(path)
    for (const ask of Object.values(ways)) {
      const settled = await Promise.allSettled([ask(path, give())])
      assert.equal(settled[0].status, 'rejected')
      assert.ok(check(settled[0].reason), String(settled[0].reason))
      const controller = new AbortController()
      const waiting = ask(path, controller.signal)
      await turn()
      controller.abort(settled[0].reason)
      assert.equal((await Promise.allSettled([waiting]))[0].reason, settled[0].reason)
    }
    await handle.release()
    await free(path)
  })
}

test('one signal stops any number of waiters', async (t) => {
  const root = scratch(t)
  const waiting = child(
    t,
    async ({ leasehold, send, args: { root } }) => {
      const { getEventListeners, setMaxListeners } = await import('node:events')
      const handle = await leasehold.acquireFileLock(`${root}/file`)
      const controller = new AbortController()
      const { signal } = controller
      setMaxListeners(0, signal)
      const asked = Array.from({ length: 100 }, () => leasehold.acquireFileLock(`${root}/file`, { signal }))
      const settled = Promise.allSettled(asked)
      setImmediate(() => controller.abort('enough'))
      const reasons = new Set((await settled).map(({ reason }) => reason))
      await handle.release()
      send({ reasons: [...reasons], listeners: getEventListeners(signal, 'abort').length })
    },
    { args: { root } },
  )
  assert.deepEqual(await waiting.next(), { reasons: ['enough'], listeners: 0 })
  // Nothing keeps the process alive.
  assert.deepEqual(await waiting.exit, { code: 0, signal: null, stderr: '', stdout: '' })
  assert.deepEqual(readdirSync(root), [])
})

test('a process whose waiters all gave up ends, although somebody else holds the lock', async (t) => {
  const path = join(scratch(t), 'file')
  const other = await holder(t, path)
  const waiting = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      const controller = new AbortController()
      const asked = leasehold.acquireFileLock(path, { timeoutMs: Infinity, signal: controller.signal })
      setTimeout(() => controller.abort('enough'), 50)
      send({ reason: await asked.catch((reason) => reason) })
    },
    { args: { path } },
  )
  assert.deepEqual(await waiting.next(), { reason: 'enough' })
  assert.equal((await waiting.exit).code, 0)
  await other.release()
  await free(path)
})

test('a signal that aborts after the lock was had takes nothing back from acquireFileLock', async (t) => {
  const path = join(scratch(t), 'file')
  const controller = new AbortController()
  const handle = await acquireFileLock(path, { signal: controller.signal })
  controller.abort(reason)
  await turn()
  handle.assertHeld()
  await handle.release()
})

/** The outcome of a race between the lock and the signal: exactly one of them wins. */
async function settle(asked) {
  const [{ value, reason: why }] = await Promise.allSettled([asked])
  if (value === undefined) assert.ok(isReason(why), String(why))
  else value.assertHeld()
  await value?.release()
  return value === undefined ? 'aborted' : 'granted'
}

for (const [order, race] of [
  ['the lock is released, then the signal aborts', (release, abort) => { release(); abort() }],
  ['the signal aborts, then the lock is released', (release, abort) => { abort(); release() }],
  ['the lock is released, and the signal aborts in a microtask', (release, abort) => {
    release()
    queueMicrotask(abort)
  }],
  ['the lock is released, and the signal aborts in the next turn', (release, abort) => {
    release()
    setImmediate(abort)
  }],
]) {
  test(`abort races with a task that releases: ${order}`, async (t) => {
    const path = join(scratch(t), 'file')
    for (let round = 0; round < 50; round += 1) {
      const first = await acquireFileLock(path)
      const controller = new AbortController()
      const asked = acquireFileLock(path, { ...LONG, signal: controller.signal })
      const behind = round % 2 === 0 ? acquireFileLock(path, LONG) : undefined
      await turn()
      race(() => void first.release(), () => controller.abort(reason))
      await settle(asked)
      assert.equal(listeners(controller.signal), 0)
      await (await behind)?.release()
      await turn()
      await free(path)
    }
  })
}

test('abort races with a process that releases', async (t) => {
  const path = join(scratch(t), 'file')
  const other = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      for (;;) {
        const handle = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
        send({ held: true })
        await next()
        await handle.release()
        send({ released: true })
        await next()
      }
    },
    { args: { path } },
  )
  const outcomes = new Set()
  for (let round = 0; round < 60; round += 1) {
    await other.next('held')
    const controller = new AbortController()
    const asked = acquireFileLock(path, { ...LONG, signal: controller.signal })
    const outcome = settle(asked)
    await turn()
    // The message about the release and the lock itself arrive at about the same time.
    other.send({})
    if (round % 3 > 0) await other.next('released')
    if (round % 3 > 1) await turn()
    controller.abort(reason)
    outcomes.add(await outcome)
    assert.equal(listeners(controller.signal), 0)
    if (round % 3 === 0) await other.next('released')
    await free(path)
    other.send({})
  }
  assert.ok(outcomes.has('aborted'))
})

test('abort on the first use of a directory races with its grant', async (t) => {
  const root = scratch(t)
  const outcomes = new Set()
  for (let round = 0; round < 100; round += 1) {
    const path = join(root, `new-${round}`, 'file')
    const controller = new AbortController()
    const asked = acquireFileLock(path, { ...LONG, signal: controller.signal })
    const moment = performance.now() + (round % 10) / 20
    while (performance.now() < moment);
    controller.abort(reason)
    outcomes.add(await settle(asked))
    await free(path)
  }
  assert.ok(outcomes.has('aborted'))
})

/** Signals that are not Node's, and do not do all that those do. */
const hostile = {
  'that nobody can listen to': { addEventListener: () => { throw reason }, removeEventListener: () => {} },
  'that nobody can stop listening to': { addEventListener: () => {}, removeEventListener: () => { throw reason } },
}

for (const [what, methods] of Object.entries(hostile)) {
  test(`a signal ${what} costs nobody else a lock`, async (t) => {
    const root = scratch(t)
    const signal = { aborted: false, throwIfAborted() {}, ...methods }
    for (const [name, ask] of Object.entries(ways)) {
      const path = join(root, name)
      const blocker = await acquireFileLock(path)
      const asked = ask(path, signal).then((got) => got?.release?.(), (error) => assert.equal(error, reason))
      // After it, whatever is left of the one that failed would show.
      await turn()
      const others = []
      for (const other of [1, 2, 3]) others.push(await acquireFileLock(`${path}-${other}`))
      await blocker.release()
      await asked
      await (await acquireFileLock(path)).release()
      for (const other of others) other.assertHeld()
      const held = heldLocks().map(({ lockPath }) => lockPath)
      assert.deepEqual(held.sort(), others.map(({ lockPath }) => lockPath))
      for (const other of others) await other.release()
      await free(path)
    }
  })
}

test('a signal of a library that knows no reasons is obeyed', async (t) => {
  const path = join(scratch(t), 'file')
  const isAbort = (error) => error instanceof Error && error.name === 'AbortError'
  const old = () => new (class extends EventTarget { aborted = false })()
  const blocker = await acquireFileLock(path)
  for (const ask of Object.values(ways)) {
    const signal = old()
    const asked = ask(path, signal)
    await turn()
    signal.aborted = true
    signal.dispatchEvent(new Event('abort'))
    await assert.rejects(asked, isAbort)
    await assert.rejects(ask(path, signal), isAbort)
  }
  await blocker.release()
  await (await acquireFileLock(path, { signal: old() })).release()
  await free(path)
})
