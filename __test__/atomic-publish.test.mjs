// A lock file appears complete or not at all, follows the rules of JS peers, and is readable by its owner only.

import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { after, child, leasehold, scratch, sleep } from './support/index.mjs'
import { noModes, noProc, onLinux } from './support/platform.mjs'
import { startTime } from './support/processes.mjs'
import { watcher } from './support/watcher.mjs'

async function comeAndGo({ leasehold, send, next, args: { path, how } }) {
  process.umask(0) // the lock file's mode must not depend on it
  const options = { timeoutMs: 60_000, label: 'x'.repeat(how.length * 7) }
  const cycle = {
    asynchronous: async () => (await leasehold.acquireFileLock(path, options)).release(),
    synchronous: async () => leasehold.withFileLockSync(path, options, () => {}),
    session: async () => (await leasehold.acquireSessionWriteLock({ sessionFile: path, ...options })).release(),
    crowd: () => Promise.all([1, 2, 3].map(() => leasehold.withFileLock(path, options, async () => {}))),
  }[how]
  let stopped = false
  void next('stop').then(() => (stopped = true))
  do {
    await cycle()
    await new Promise((resolve) => setImmediate(resolve))
  } while (!stopped)
  send({ done: true })
  await next('leave')
}

async function observe(t, directory) {
  const path = join(directory, 'file')
  const watching = await watcher(t, path)
  const busy = ['asynchronous', 'synchronous', 'session', 'crowd'].map((how) =>
    child(t, comeAndGo, { args: { path, how } }),
  )
  await Promise.all([watching.enough(), sleep(2500)]) // a fast machine gets more looks than enough
  for (const one of busy) one.send({ stop: true })
  await Promise.all(busy.map((one) => one.next('done')))
  const { wrong } = await watching.stop()
  for (const one of busy) one.send({ leave: true })
  assert.deepEqual(wrong, [])
  assert.deepEqual(readdirSync(directory), [])
}

test('whoever reads the lock file at any moment finds a complete record, mode 0600, and no other file', async (t) => {
  await observe(t, scratch(t))
})

test('so it is on a file system in memory', async (t) => {
  if (!onLinux || !existsSync('/dev/shm')) return t.skip('/dev/shm is not there')
  const directory = mkdtempSync('/dev/shm/leasehold-')
  after(t, () => rmSync(directory, { recursive: true, force: true }))
  await observe(t, directory)
})

test('the record is what JavaScript peers expect, and says more to those who can read it', async (t) => {
  const path = join(scratch(t), 'file')
  const lock = await leasehold.acquireFileLock(path, { label: 'a "label" ☃', maxHoldMs: 4000, leaseMs: 3000 })
  const text = readFileSync(lock.lockPath, 'utf8')
  const record = JSON.parse(text)
  assert.equal(record.pid, process.pid)
  if (noProc) assert.ok(Number.isSafeInteger(record.starttime))
  else assert.equal(record.starttime, startTime())
  assert.equal(new Date(record.createdAt).toISOString(), record.createdAt)
  assert.equal(record.maxHoldMs, undefined, 'some versions refuse to wait for an owner past a limit at this place')
  assert.equal(record.leasehold.token, String(lock.token))
  assert.equal(record.leasehold.label, 'a "label" ☃')
  assert.equal(record.leasehold.maxHoldMs, 4000)
  assert.equal(record.leasehold.leaseMs, 3000)
  assert.ok(!text.includes('\0') && text.startsWith('{') && text.endsWith('\n'))
  if (!noModes) assert.equal(statSync(lock.lockPath).mode & 0o777, 0o600)
  await lock.release()
})
