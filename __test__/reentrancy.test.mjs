// Who may enter a lock that is held already: nested calls, named owners, sessions.

import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { holder, leasehold, scratch, worker } from './support/index.mjs'

const {
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  LockDeadlockError,
  withFileLock,
  withFileLockSync,
} = leasehold
const SOON = { timeoutMs: 150 }
const LATER = { timeoutMs: 20_000 }
const timeout = { code: 'file_lock_timeout' }
const sessionTimeout = { code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT' }
const handles = () => heldLocks().map((held) => held.handles)
const session = (sessionFile, options) => acquireSessionWriteLock({ sessionFile, ...LATER, ...options })

const within = {
  'directly': (enter) => enter(),
  'after awaiting something': async (enter) => {
    await turn()
    return enter()
  },
  'from a timer': (enter) => new Promise((resolve, reject) => setTimeout(() => enter().then(resolve, reject), 1)),
  'from setImmediate': (enter) => new Promise((resolve, reject) => setImmediate(() => enter().then(resolve, reject))),
  'from a microtask': (enter) => new Promise((resolve, reject) => queueMicrotask(() => enter().then(resolve, reject))),
  'from a promise callback': (enter) => Promise.resolve().then(() => pause(1)).then(enter),
  'from an event': async (enter) => {
    const emitter = new EventEmitter()
    const entered = new Promise((resolve, reject) => emitter.once('go', () => enter().then(resolve, reject)))
    setTimeout(() => emitter.emit('go'), 1)
    return entered
  },
  'after an event': async (enter) => {
    const emitter = new EventEmitter()
    setTimeout(() => emitter.emit('go'), 1)
    await once(emitter, 'go')
    return enter()
  },
  'next to another nested call': async (enter) => {
    const [, result] = await Promise.all([enter(), enter()])
    return result
  },
}

for (const [how, nest] of Object.entries(within)) {
  test(`a nested call re-enters ${how}`, async (t) => {
    const path = join(scratch(t), 'file')
    const result = await withFileLock(path, (outer) =>
      nest(() =>
        withFileLock(path, SOON, async (inner) => {
          assert.equal(inner.token, outer.token)
          assert.notEqual(inner, outer)
          assert.equal(heldLocks().length, 1)
          await turn()
          return 'inner'
        }),
      ),
    )
    assert.equal(result, 'inner')
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('nested calls of every function re-enter, as deep as they like', async (t) => {
  const path = join(scratch(t), 'file')
  await withFileLock(path, async () => {
    await withFileLock(path, SOON, async () => {
      const handle = await acquireFileLock(path, SOON)
      const sync = acquireFileLockSync(path, SOON)
      const shared = await session(path, SOON)
      withFileLockSync(path, SOON, () => assert.deepEqual(handles(), [6]))
      assert.deepEqual(handles(), [5])
      await shared.release()
      sync.releaseSync()
      await handle.release()
    })
    assert.deepEqual(handles(), [1])
  })
  withFileLockSync(path, () => {
    withFileLockSync(path, SOON, () => assert.deepEqual(handles(), [2]))
    acquireFileLockSync(path, SOON).releaseSync()
    assert.deepEqual(handles(), [1])
  })
  assert.equal(existsSync(`${path}.lock`), false)
})

test('a nested call re-enters while others wait', async (t) => {
  const path = join(scratch(t), 'file')
  const order = []
  let others
  await withFileLock(path, async () => {
    others = outside(() => withFileLock(path, LATER, () => void order.push('other')))
    await turn()
    await withFileLock(path, SOON, () => void order.push('nested'))
  })
  await others
  assert.deepEqual(order, ['nested', 'other'])
})

/** Calls `fn` outside of the current call chain. */
function outside(fn) {
  return outsider(fn)
}
const outsider = (() => {
  const emitter = new EventEmitter()
  const calls = []
  // The interval was made here, so what it calls belongs to no lock.
  const timer = setInterval(() => emitter.emit('tick'), 1)
  timer.unref()
  emitter.on('tick', () => {
    for (const { fn, resolve, reject } of calls.splice(0)) Promise.resolve().then(fn).then(resolve, reject)
  })
  return (fn) => {
    timer.ref()
    return new Promise((resolve, reject) => calls.push({ fn, resolve, reject })).finally(() => timer.unref())
  }
})()

test('siblings queue: being in the same process, or in the same function, is not enough', async (t) => {
  const path = join(scratch(t), 'file')
  const inside = []
  const sibling = (name) =>
    withFileLock(path, LATER, async () => {
      inside.push(`+${name}`)
      await pause(5)
      inside.push(`-${name}`)
    })
  await Promise.all([sibling('a'), sibling('b'), sibling('c')])
  assert.deepEqual(inside, ['+a', '-a', '+b', '-b', '+c', '-c'])
  const handle = await acquireFileLock(path)
  await assert.rejects(acquireFileLock(path, SOON), timeout, 'a handle is no call chain')
  await handle.release()
})

test('work that outlives the lock it was started under queues like any other', async (t) => {
  const path = join(scratch(t), 'file')
  const gate = new EventEmitter()
  let straggler
  await withFileLock(path, () => {
    straggler = once(gate, 'open').then(() => acquireFileLock(path, SOON))
  })
  const handle = await acquireFileLock(path)
  gate.emit('open')
  await assert.rejects(straggler, timeout)
  handle.assertHeld()
  await handle.release()
})

test('a nested call for another file is a lock of its own', async (t) => {
  const root = scratch(t)
  await withFileLock(join(root, 'one'), async (outer) => {
    await withFileLock(join(root, 'two'), async (inner) => {
      assert.notEqual(inner.lockPath, outer.lockPath)
      assert.equal(heldLocks().length, 2)
      await withFileLock(join(root, 'one'), SOON, (again) => assert.equal(again.token, outer.token))
    })
  })
})

test('call chains that hold different locks do not enter each other\'s', async (t) => {
  const root = scratch(t)
  await withFileLock(join(root, 'one'), async () => {
    await outside(() =>
      withFileLock(join(root, 'two'), () => assert.rejects(acquireFileLock(join(root, 'one'), SOON), timeout)),
    )
  })
})

test('the same reentrantOwner re-enters across call chains, another one queues', async (t) => {
  const path = join(scratch(t), 'file')
  const owned = (reentrantOwner, wait) => acquireFileLock(path, { ...wait, reentrantOwner })
  const first = await owned('me', SOON)
  const second = await owned('me', SOON)
  assert.equal(second.token, first.token)
  await withFileLock(path, { ...SOON, reentrantOwner: 'me' }, () => assert.deepEqual(handles(), [3]))
  acquireFileLockSync(path, { ...SOON, reentrantOwner: 'me' }).releaseSync()
  await assert.rejects(owned('somebody else', SOON), timeout)
  await assert.rejects(owned(undefined, SOON), timeout, 'no owner is nobody\'s owner')
  await assert.rejects(owned('', SOON), timeout, 'nor is the empty one')
  await assert.rejects(session(path, SOON), sessionTimeout)
  await first.release()
  second.assertHeld()
  await second.release()
  assert.deepEqual(heldLocks(), [])
})

test('an owner does not enter a lock that was taken without one', async (t) => {
  const path = join(scratch(t), 'file')
  const handle = await acquireFileLock(path)
  await assert.rejects(acquireFileLock(path, { ...SOON, reentrantOwner: 'me' }), timeout)
  await handle.release()
})

test('sessions share a lock process-wide by default', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireSessionWriteLock({ sessionFile: path })
  const second = await acquireSessionWriteLock({ sessionFile: path, timeoutMs: 150 })
  const third = await outside(() => session(path, { ...SOON, allowReentrant: true }))
  assert.deepEqual(handles(), [3])
  assert.equal(third.token, first.token)
  await assert.rejects(acquireFileLock(path, SOON), timeout, 'but not with the other functions')
  await first.release()
  await second.release()
  assert.ok(existsSync(`${path}.lock`))
  await third.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test('sessions share a lock with those of other threads', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await session(path)
  const other = worker(
    t,
    async ({ leasehold, send, args }) => {
      const handle = await leasehold.acquireSessionWriteLock({ sessionFile: args.path, timeoutMs: 5000 })
      send({ token: handle.token })
      await handle.release()
      send({ released: true })
    },
    { args: { path } },
  )
  assert.equal((await other.next('token')).token, first.token)
  await other.next('released')
  first.assertHeld()
  await first.release()
})

test('a session that allows no re-entrancy queues, and lets nobody in', async (t) => {
  const path = join(scratch(t), 'file')
  const closed = { allowReentrant: false }
  const first = await session(path, closed)
  await assert.rejects(session(path, { ...SOON, ...closed }), sessionTimeout)
  await assert.rejects(session(path, SOON), sessionTimeout, 'the holder decides, too')
  const order = []
  const queued = ['a', 'b', 'c'].map(async (name) => {
    const handle = await session(path, closed)
    order.push(name)
    await turn()
    assert.deepEqual(handles(), [1])
    await handle.release()
  })
  await first.release()
  await Promise.all(queued)
  assert.deepEqual(order, ['a', 'b', 'c'])
  const open = await session(path)
  await assert.rejects(session(path, { ...SOON, ...closed }), sessionTimeout)
  await open.release()
})

for (const [who, ask] of [
  ['sessions', (path) => session(path, { timeoutMs: 2000 })],
  ['callers with the same reentrantOwner', (path) => acquireFileLock(path, { timeoutMs: 2000, reentrantOwner: 'me' })],
]) {
  test(`${who} that waited for a lock share it as they would have without waiting`, async (t) => {
    const path = join(scratch(t), 'file')
    const other = await holder(t, path)
    const asked = [ask(path), ask(path), ask(path)]
    await turn()
    await other.release()
    const granted = await Promise.all(asked)
    assert.equal(new Set(granted.map(({ token }) => token)).size, 1)
    assert.deepEqual(handles(), [3])
    for (const handle of granted) await handle.release()
    assert.equal(existsSync(`${path}.lock`), false)
  })
}

test('a nested call that could only wait for its ancestor fails at once', async (t) => {
  const path = join(scratch(t), 'file')
  const deadlock = (error) => {
    assert.ok(error instanceof LockDeadlockError)
    assert.equal(error.code, 'file_lock_deadlock')
    assert.equal(error.lockPath, `${path}.lock`)
    return true
  }
  // Waiting would end in another error, or not at all.
  await withFileLock(path, async (handle) => {
    await assert.rejects(session(path, { allowReentrant: false, timeoutMs: Infinity }), deadlock)
    await pause(1)
    await assert.rejects(session(path, { allowReentrant: false, timeoutMs: Infinity }), deadlock)
    handle.assertHeld()
  })
})

test('a blocking call for a lock that this thread holds fails at once', async (t) => {
  const path = join(scratch(t), 'file')
  const deadlock = (error) => {
    assert.ok(error instanceof LockDeadlockError)
    assert.equal(error.code, 'file_lock_deadlock')
    return true
  }
  const holders = [
    () => acquireFileLock(path),
    () => acquireFileLockSync(path),
    () => session(path),
    () => session(path, { allowReentrant: false }),
  ]
  for (const hold of holders) {
    const handle = await hold()
    assert.throws(() => acquireFileLockSync(path, LATER), deadlock)
    assert.throws(() => withFileLockSync(path, LATER, () => assert.fail('got in')), deadlock)
    handle.assertHeld()
    await handle.release()
    acquireFileLockSync(path, LATER).releaseSync()
  }
  await withFileLock(path, () => outside(() => assert.throws(() => acquireFileLockSync(path, LATER), deadlock)))
  // Asked for, and had by the time the blocking call looks; or still to be had.
  const asked = acquireFileLock(path)
  assert.throws(() => acquireFileLockSync(path, LATER), deadlock)
  await (await asked).release()
})

test('a blocking call waits for another thread and another process', async (t) => {
  const path = join(scratch(t), 'file')
  const hold = async ({ leasehold, send, next, args: { path } }) => {
    const handle = await leasehold.acquireFileLock(path)
    send({ held: true })
    await next('release')
    setTimeout(() => handle.release(), 100)
  }
  const thread = worker(t, hold, { args: { path } })
  await thread.next('held')
  thread.send({ release: true })
  acquireFileLockSync(path, LATER).releaseSync()
  const process = await holder(t, path)
  // A task of this thread that waits as well would be in the way if it were served first.
  const task = acquireFileLock(path, LATER)
  process.send({ release: true })
  acquireFileLockSync(path, LATER).releaseSync()
  await (await task).release()
})

test('a shared lease ends with its last handle', async (t) => {
  const path = join(scratch(t), 'file')
  let inner
  await withFileLock(path, async () => {
    inner = await acquireFileLock(path, SOON)
  })
  inner.assertHeld()
  assert.ok(existsSync(`${path}.lock`))
  await assert.rejects(acquireFileLock(path, SOON), timeout)
  const next = acquireFileLock(path, LATER)
  await inner.release()
  const successor = await next
  assert.ok(successor.token > inner.token)
  await successor.release()
  assert.equal(existsSync(`${path}.lock`), false)
})

test('each handle of a shared lease is released for itself, and only once', async (t) => {
  const path = join(scratch(t), 'file')
  const [one, two, three] = [await session(path), await session(path), await session(path)]
  await one.release()
  await one.release()
  one.releaseSync()
  assert.equal(one.held, false)
  assert.throws(() => one.assertHeld(), { code: 'file_lock_released' })
  assert.deepEqual(handles(), [2])
  two.assertHeld()
  await two.release()
  await two.release()
  three.assertHeld()
  assert.ok(existsSync(`${path}.lock`))
  await three.release()
  assert.equal(existsSync(`${path}.lock`), false)
})
