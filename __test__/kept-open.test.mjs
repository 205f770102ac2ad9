// A kept lock file also stays open for a moment after its release, so that it can be retaken sooner. Nobody who waits
// for it, or changes it, may notice.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, holder, leasehold, scratch, sleep, until } from './support/index.mjs'
import { noProc, patience } from './support/platform.mjs'

const { acquireFileLock } = leasehold
const KEEP = { keepLockFile: true }

/** Takes and releases the lock of `path`; its token. */
async function lockAndRelease(path, options = KEEP) {
  const lock = await acquireFileLock(path, options)
  await lock.release()
  return lock.token
}

function isOpen(file) {
  return readdirSync('/proc/self/fd').some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`) === file
    } catch {
      return false // the descriptor with which they were listed
    }
  })
}

const recorded = (path) => JSON.parse(readFileSync(`${path}.lock`, 'utf8')).leasehold

test('it is open after its release, and closed a little later', { skip: noProc }, async (t) => {
  const path = join(scratch(t), 'file')
  // If other programs run between release and look, it may be closed by then: not each look finds it open.
  await until(async () => {
    await lockAndRelease(path)
    return isOpen(`${path}.lock`)
  })
  await until(() => !isOpen(`${path}.lock`))
  assert.equal(recorded(path).held, false)
})

/** How many files this process watches, according to the kernel. */
function watches() {
  const lines = readdirSync('/proc/self/fdinfo').flatMap((descriptor) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8').split('\n')
    } catch {
      return [] // the descriptor with which they were listed
    }
  })
  return lines.filter((line) => line.startsWith('inotify wd:')).length
}

test('it is watched while it is held, and not when it is used after that', { skip: noProc }, async (t) => {
  const path = join(scratch(t), 'file')
  const lock = await acquireFileLock(path, KEEP)
  await until(() => watches() === 1)
  await lock.release()
  await until(() => {
    recorded(path)
    return watches() === 0
  })
})

test('files that nobody uses any more leave their watches to others', { skip: noProc }, async (t) => {
  const directory = scratch(t)
  // Together, more than are watched at a time.
  for (const length of [600, 500]) {
    const paths = Array.from({ length }, (_, number) => join(directory, `${number}-of-${length}`))
    const locks = await Promise.all(paths.map((path) => acquireFileLock(path, KEEP)))
    await until(() => watches() === length)
    await Promise.all(locks.map((lock) => lock.release()))
  }
})

test('nobody is waited for who has released it', async (t) => {
  const path = join(scratch(t), 'file')
  for (let round = 0; round < 5; round++) {
    await lockAndRelease(path)
    const other = await holder(t, path, { ...KEEP, timeoutMs: 0 })
    await assert.rejects(acquireFileLock(path, { ...KEEP, timeoutMs: 0 }), { code: 'file_lock_timeout' })
    await other.release()
  }
})

test('tokens grow, whoever had it in between', async (t) => {
  const path = join(scratch(t), 'file')
  let last = 0n
  const grows = (token) => {
    assert.ok(token > last, `${token} after ${last}`)
    last = token
  }
  for (let round = 0; round < 5; round++) {
    grows(await lockAndRelease(path))
    grows(await lockAndRelease(path))
    const other = await holder(t, path, KEEP)
    grows(other.token)
    await other.release()
    // A label makes its record longer, and the next one is padded.
    grows(await lockAndRelease(path, { ...KEEP, label: 'x'.repeat(50) }))
  }
})

for (const [what, change] of Object.entries({
  removed: (file) => rmSync(file),
  replaced: (file) => {
    writeFileSync(`${file}.new`, readFileSync(file))
    renameSync(`${file}.new`, file)
  },
  rewritten: (file) => writeFileSync(file, readFileSync(file, 'utf8').replace(/(?<="token": "1)./, '9')),
  emptied: (file) => writeFileSync(file, ''),
})) {
  test(`a lock file that was ${what} meanwhile is not taken for what it was`, async (t) => {
    const path = join(scratch(t), 'file')
    await lockAndRelease(path)
    change(`${path}.lock`)
    const { token = 0 } = what === 'rewritten' ? recorded(path) : {}
    const lock = await acquireFileLock(path, { ...KEEP, stale: 0 })
    lock.assertHeld()
    assert.equal(recorded(path).held, true)
    assert.ok(lock.token > BigInt(token), `${lock.token} after ${token}`)
    await lock.release()
    assert.equal(recorded(path).held, false)
  })
}

test('whoever waits gets it when it is released, and not when it would be closed', async (t) => {
  const path = join(scratch(t), 'file')
  const ROUNDS = 20
  const waiting = child(
    t,
    async ({ leasehold, send, next, args: { path } }) => {
      for (;;) {
        await next('go')
        const asked = leasehold.acquireFileLock(path, { keepLockFile: true })
        send({ asks: true })
        const lock = await asked
        send({ hasIt: true })
        await lock.release()
        send({ gone: true })
      }
    },
    { args: { path } },
  )
  let waited = 0
  for (let round = 0; round < ROUNDS; round++) {
    // Released and retaken a few times, so that the lock is taken through the file that was left open.
    for (let count = 0; count < 3; count++) await lockAndRelease(path)
    const lock = await acquireFileLock(path, KEEP)
    waiting.send({ go: true })
    await waiting.next('asks')
    // Long enough for it to find the lock taken, which nothing else shows.
    await sleep(20 * patience)
    const released = performance.now()
    await lock.release()
    await waiting.next('hasIt')
    waited += performance.now() - released
    await waiting.next('gone')
  }
  // A file that is left open is closed after a tenth of a second.
  assert.ok(waited < (ROUNDS * 100 * patience) / 2, `${waited} ms for ${ROUNDS} of them`)
})
