// A process that has a lock file open in Node, for however long, is in nobody's way, and reads on undisturbed.

import assert from 'node:assert/strict'
import { closeSync, existsSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { after, holder, leasehold, scratch, until } from './support/index.mjs'

/** The record, read through a descriptor that was opened some time ago. */
function recordIn(file) {
  const buffer = Buffer.alloc(4096)
  return JSON.parse(buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, 0)))
}

/** Whether a record names the token of its lock. */
function names(record, { token }) {
  return record.leasehold.token === String(token)
}

/** Opens `path` for reading until the test ends, or `close()` is called. */
function reader(t, path) {
  let file = openSync(path, 'r')
  const close = () => {
    if (file !== undefined) closeSync(file)
    file = undefined
  }
  after(t, close)
  return { record: () => recordIn(file), close }
}

for (const [where, hold] of [
  ['this process', (t, path) => leasehold.acquireFileLock(path)],
  ['another process', (t, path) => holder(t, path)],
]) {
  test(`a lock file of ${where} that is open in Node is removed by the release, and made anew`, async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    const first = await hold(t, path)
    const reading = reader(t, first.lockPath)
    await until(() => names(reading.record(), first))
    const before = reading.record()
    await first.release()
    assert.ok(!existsSync(first.lockPath))
    const second = await leasehold.acquireFileLock(path)
    assert.ok(second.token > first.token)
    assert.equal(second.recoveredFrom, null, 'nothing was left to recover')
    await until(async () => names(JSON.parse(await readFile(second.lockPath, 'utf8')), second))
    assert.equal(reading.record().leasehold.token, before.leasehold.token, 'it reads what it opened')
    reading.close()
    await second.release()
    assert.deepEqual(readdirSync(directory), [])
  })
}

test('a lock file that is open in Node is taken over when its holder is killed', async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  const holding = await holder(t, path)
  const reading = reader(t, holding.lockPath)
  const awaited = leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
  holding.kill()
  const lock = await awaited
  assert.equal(lock.recoveredFrom, 'owner-died')
  await until(() => names(reading.record(), lock)) // it was adopted in place
  reading.close()
  await lock.release()
  assert.deepEqual(readdirSync(directory), [])
})

test('a held lock file can be read, and asked about, in every way that Node has', async (t) => {
  const path = join(scratch(t), 'file')
  const holding = await holder(t, path)
  await until(async () => names(JSON.parse(await readFile(holding.lockPath, 'utf8')), holding))
  const { size } = statSync(holding.lockPath)
  const text = await readFile(holding.lockPath, 'utf8')
  assert.equal(text.length, size)
  const file = await open(holding.lockPath, 'r+')
  try {
    assert.equal((await file.stat()).size, size)
    const { bytesRead } = await file.read({ buffer: Buffer.alloc(2 * size), position: 0 })
    assert.equal(bytesRead, size)
  } finally {
    await file.close()
  }
  const lines = []
  for await (const line of (await open(holding.lockPath)).readLines()) lines.push(line)
  assert.equal(lines.join('\n'), text.trimEnd())
  await assert.rejects(leasehold.acquireFileLock(path, { timeoutMs: 0 }), { code: 'file_lock_timeout' })
  await holding.release()
})
