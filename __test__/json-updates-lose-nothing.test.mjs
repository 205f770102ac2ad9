// updateJsonFile loses no change, whoever else makes one at the same time.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until, worker } from './support/index.mjs'

const { updateJsonFile, withFileLock } = leasehold

const read = (path) => JSON.parse(readFileSync(path, 'utf8'))

async function count({ leasehold, send, begin, args: { path, turns } }) {
  await begin()
  for (let turn = 0; turn < turns; turn += 1) {
    await leasehold.updateJsonFile(path, { count: 0 }, async (value) => {
      const before = value.count
      await new Promise(setImmediate)
      value.count = before + 1
    }, { timeoutMs: 120_000, durable: turn % 10 === 0 })
  }
  send({ done: true })
}

test('four processes that count 50 times each come to 200', async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'new', 'count.json')
  const all = [1, 2, 3, 4].map(() => child(t, count, { args: { path, turns: 50 } }))
  for (const one of all) await one.next('ready')
  for (const one of all) one.send({ start: true })
  for (const one of all) await one.next('done', { timeoutMs: 140_000 })
  assert.deepEqual(read(path), { count: 200 })
  assert.deepEqual(readdirSync(join(directory, 'new')), ['count.json'])
})

test('so do tasks of one process, and workers', async (t) => {
  const path = join(scratch(t), 'count.json')
  const add = ({ count }) => ({ count: count + 1 })
  const increment = () => updateJsonFile(path, { count: 0 }, add, { timeoutMs: 60_000 })
  const other = worker(t, count, { args: { path, turns: 20 } })
  await other.next('ready')
  other.send({ start: true })
  await Promise.all(Array.from({ length: 20 }, increment))
  await other.next('done')
  assert.deepEqual(read(path), { count: 40 })
})

test('calls that share a lock take turns', async (t) => {
  const path = join(scratch(t), 'count.json')
  const inside = []
  const increment = (options) =>
    updateJsonFile(
      path,
      { count: 0 },
      async (value) => {
        assert.deepEqual(inside, [], 'nobody else is inside')
        inside.push(value)
        await new Promise(setImmediate)
        value.count += 1
        inside.pop()
      },
      options,
    )
  await withFileLock(path, () => Promise.all(Array.from({ length: 10 }, () => increment())))
  await Promise.all(Array.from({ length: 10 }, () => increment({ reentrantOwner: 'owner' })))
  await withFileLock(path, async () => {
    await Promise.allSettled([
      updateJsonFile(path, {}, () => Promise.reject(new Error('the first fails'))),
      increment(),
    ])
  })
  assert.deepEqual(read(path), { count: 21 })
})

test('an update inside an update of the same file is refused, and the outer one goes on', async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  let inner
  await updateJsonFile(path, { a: 0 }, async (value) => {
    inner = await updateJsonFile(path, {}, () => assert.fail('called')).catch((error) => error)
    await updateJsonFile(join(directory, 'other'), {}, (other) => void (other.b = 1))
    value.a = 1
  })
  assert.ok(inner instanceof leasehold.JsonFileError)
  assert.equal(inner.code, 'json_file_nested_update')
  assert.equal(inner.path, path)
  assert.deepEqual(read(path), { a: 1 })
  assert.deepEqual(read(join(directory, 'other')), { b: 1 })
})

test('an update that an earlier one started, and that comes after its end, is an update like any other', async (t) => {
  const path = join(scratch(t), 'file')
  await withFileLock(path, async () => {
    let later
    const ended = Promise.withResolvers?.() ?? withResolvers()
    await updateJsonFile(path, { a: 0 }, (value) => {
      value.a += 1
      later = ended.promise.then(() => updateJsonFile(path, { a: 0 }, (value) => void (value.a += 1)))
    })
    ended.resolve()
    await later
  })
  assert.deepEqual(read(path), { a: 2 })
})

function withResolvers() {
  const parts = {}
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts
}

test('an update whose mutate never settles, and is forgotten, gives its lock back', async (t) => {
  const path = join(scratch(t), 'file')
  void updateJsonFile(path, { a: 0 }, () => new Promise(() => {})).catch(() => {})
  await until(() => leasehold.heldLocks().some(({ targetPath }) => targetPath === path))
  await updateJsonFile(path, { a: 0 }, (value) => void (value.a += 1), { timeoutMs: 60_000 })
  assert.deepEqual(read(path), { a: 1 })
})

test('two that share a lock do not keep each other when both are forgotten', async (t) => {
  const path = join(scratch(t), 'file')
  void withFileLock(path, async () => {
    void updateJsonFile(path, 0, () => new Promise(() => {})).catch(() => {})
    void updateJsonFile(path, 0, () => new Promise(() => {})).catch(() => {})
    await new Promise(() => {})
  }).catch(() => {})
  await until(() => leasehold.heldLocks().some(({ targetPath, handles }) => targetPath === path && handles === 3))
  assert.equal(await updateJsonFile(path, 0, (value) => value + 1, { timeoutMs: 60_000 }), 1)
})
