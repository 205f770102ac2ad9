// Where locks come and go, a thread makes lock files ahead of time and closes them afterwards. Nothing but the speed
// may be noticeable.

import assert from 'node:assert/strict'
import {
  closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'
import { noProc } from './support/platform.mjs'

const { acquireFileLock } = leasehold

const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

function whyNoUnnamedFiles() {
  if (noProc) return noProc
  try {
    closeSync(openSync(tmpdir(), O_TMPFILE | constants.O_RDWR))
    return false
  } catch ({ code }) {
    return `files without a name cannot be made in ${tmpdir()} (${code})`
  }
}

const skip = whyNoUnnamedFiles()

const lockAndRelease = async (path) => (await acquireFileLock(path)).release()

/** Takes and releases the lock of `path` until there are spare lock files. */
async function keepBusy(path) {
  for (let count = 0; count < 100; count++) await lockAndRelease(path)
  await until(() => namelessFiles().length > 0, { everyMs: 1 })
}

/** The open files of this process that have no name. */
function namelessFiles() {
  const targets = readdirSync('/proc/self/fd').map((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`)
    } catch {
      return '' // the descriptor of the directory just read
    }
  })
  return targets.filter((target) => target.endsWith(' (deleted)'))
}

const hasThread = (pid) =>
  readdirSync(`/proc/${pid}/task`).some((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').startsWith('leasehold-spare'),
  )

test('a program that takes a lock now and then gets no thread for that, and one that does so all the time does', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  const process = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      for (const locks of [4, 100]) {
        for (let count = 0; count < locks; count++) await (await leasehold.acquireFileLock(path)).release()
        send({ locks })
        await next()
      }
    },
    { args: { path } },
  )
  await process.next('locks')
  assert.equal(hasThread(process.pid), false)
  process.send('on')
  await process.next('locks')
  await until(() => hasThread(process.pid))
  process.send('on')
  assert.equal((await process.exit).code, 0, 'it keeps no process alive')
})

test('who waits for many locks gets no thread for that either', { skip }, async (t) => {
  const directory = scratch(t)
  const paths = Array.from({ length: 50 }, (_, number) => join(directory, `file-${number}`))
  const locks = await Promise.all(paths.map((path) => acquireFileLock(path)))
  const process = child(
    t,
    async ({ leasehold, send, next, args: { paths } }) => {
      const asked = paths.map((path) => leasehold.acquireFileLock(path))
      send({ asks: true })
      await next()
      for (const lock of await Promise.all(asked)) await lock.release()
    },
    { args: { paths } },
  )
  await process.next('asks')
  // Once the waiter has marked the last one, it has looked at all of them.
  await until(() => statSync(locks.at(-1).lockPath).atimeMs > statSync(locks.at(-1).lockPath).mtimeMs)
  assert.equal(hasThread(process.pid), false)
  process.send('on')
  for (const lock of locks) await lock.release()
  assert.equal((await process.exit).code, 0)
})

test('what was made ahead is closed when no more locks are asked for', { skip }, async (t) => {
  const path = join(scratch(t), 'file')
  await keepBusy(path)
  await until(() => namelessFiles().length === 0)
  // A lock that comes much later closes its file itself, at once.
  await lockAndRelease(path)
  assert.deepEqual(namelessFiles(), [])
})

test('a directory that was put in the place of a busy one gets the lock files', { skip }, async (t) => {
  const root = scratch(t)
  const directory = join(root, 'sessions')
  const path = join(directory, 'file')
  mkdirSync(directory)
  await keepBusy(path)
  renameSync(directory, join(root, 'old'))
  mkdirSync(directory)
  const lock = await acquireFileLock(path)
  assert.deepEqual(readdirSync(directory), ['file.lock'])
  assert.deepEqual(readdirSync(join(root, 'old')), [])
  lock.assertHeld()
  await lock.release()
  assert.deepEqual(readdirSync(directory), [])
})

test('a busy directory that vanishes is made again', { skip }, async (t) => {
  const directory = join(scratch(t), 'sessions')
  const path = join(directory, 'file')
  mkdirSync(directory)
  await keepBusy(path)
  rmSync(directory, { recursive: true })
  const lock = await acquireFileLock(path)
  assert.ok(existsSync(lock.lockPath))
  await lock.release()
})

test('the record of each lock is its own, whatever was prepared for it', { skip }, async (t) => {
  const directory = scratch(t)
  await keepBusy(join(directory, 'file'))
  for (const options of [{}, { label: 'a label' }, { maxHoldMs: 1000, leaseMs: 5000 }, { label: 'x'.repeat(200) }, {}]) {
    const before = new Date().toISOString()
    const lock = await acquireFileLock(join(directory, 'other'), options)
    const { createdAt, pid, leasehold } = JSON.parse(readFileSync(lock.lockPath, 'utf8'))
    const { label, leaseMs = 30_000, maxHoldMs = 300_000 } = options
    assert.deepEqual(
      [pid, leasehold.label, leasehold.leaseMs, leasehold.maxHoldMs],
      [process.pid, label, leaseMs, maxHoldMs],
    )
    // A record may lag behind its token, but by less than a stride.
    const lead = lock.token - BigInt(leasehold.token)
    assert.ok(lead >= 0 && lead < 1 << 20, `${leasehold.token} for ${lock.token}`)
    assert.ok(createdAt >= before && createdAt <= new Date().toISOString(), createdAt)
    await lock.release()
  }
})

test('a kill in the middle of it leaves nothing, or one lock file that the next one has at once', { skip }, async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  for (let round = 0; round < 10; round++) {
    const process = child(
      t,
      async ({ leasehold, send, args: { path } }) => {
        for (let count = 0; ; count++) {
          await (await leasehold.acquireFileLock(path)).release()
          if (count === 50) send({ isBusy: true })
        }
      },
      { args: { path } },
    )
    await process.next('isBusy')
    process.kill('SIGKILL')
    await process.exit
    const left = readdirSync(directory)
    assert.ok(left.length === 0 || (left.length === 1 && left[0] === 'file.lock'), left.join())
    await (await acquireFileLock(path, { timeoutMs: 0 })).release()
    assert.deepEqual(readdirSync(directory), [])
  }
})

test('what was made for a directory is closed when others are busy', { skip }, async (t) => {
  const [first, second] = [scratch(t), scratch(t)]
  const isForFirst = (file) => file.startsWith(`${first}/`)
  await keepBusy(join(first, 'file'))
  assert.ok(namelessFiles().some(isForFirst))
  await until(async () => {
    for (let count = 0; count < 20; count++) await lockAndRelease(join(second, 'file'))
    return !namelessFiles().some(isForFirst)
  }, { everyMs: 1 })
})
