// updateJsonFile writes what mutate returns or changes, and nothing where that is unclear.

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'
import { noDirectoryLinks, noFileLinks, noModes } from './support/platform.mjs'

const { updateJsonFile, withFileLock } = leasehold

const read = (path) => JSON.parse(readFileSync(path, 'utf8'))

test('what mutate returns is written, or else the value that it changed', async (t) => {
  const path = join(scratch(t), 'file')
  const update = (mutate, fallback = { list: [] }) => updateJsonFile(path, fallback, mutate)
  assert.deepEqual(await update((value) => void value.list.push(1)), { list: [1] })
  assert.deepEqual(read(path), { list: [1] })
  assert.deepEqual(await update(async (value) => void value.list.push(2)), { list: [1, 2] })
  assert.deepEqual(await update(() => ({ other: true })), { other: true })
  for (const value of [null, false, 0, '', []]) {
    assert.deepEqual(await update(() => value), value)
    assert.deepEqual(read(path), value)
  }
  if (!noModes) assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('the file that is locked is the one that is changed, wherever its path leads meanwhile', { skip: noDirectoryLinks }, async (t) => {
  const top = scratch(t)
  const [first, second, link] = ['first', 'second', 'link'].map((name) => join(top, name))
  for (const directory of [first, second]) {
    mkdirSync(directory)
    writeFileSync(join(directory, 'file'), '{}')
  }
  const lead = (to) => {
    rmSync(link, { force: true })
    symlinkSync(to, link, 'dir')
  }
  lead(first)
  await updateJsonFile(join(link, 'file'), {}, (value) => {
    lead(second)
    value.moved = true
  })
  const before = process.cwd()
  try {
    process.chdir(first)
    await updateJsonFile('file', {}, (value) => {
      process.chdir(second)
      value.changed = true
    })
  } finally {
    process.chdir(before)
  }
  assert.deepEqual([first, second].map((directory) => read(join(directory, 'file'))), [{ moved: true, changed: true }, {}])
})

test('mutate learns whether there is a file, and gets a copy of the fallback where it says nothing', async (t) => {
  const path = join(scratch(t), 'file')
  const fallback = { list: [] }
  const seen = []
  const update = (given) =>
    updateJsonFile(path, given, (value, { exists }) => {
      seen.push([structuredClone(value), exists])
      value?.list?.push(1)
      return value ?? null
    })
  await update(fallback)
  await update(fallback)
  for (const empty of ['null', '', ' \n']) {
    writeFileSync(path, empty)
    await update(fallback)
  }
  writeFileSync(path, 'null')
  await update(undefined)
  assert.deepEqual(fallback, { list: [] })
  const fresh = { list: [] }
  const empties = Array(3).fill([fresh, true])
  assert.deepEqual(seen, [[fresh, false], [{ list: [1] }, true], ...empties, [undefined, true]])
})

test('nothing is written where nothing has changed', async (t) => {
  const path = join(scratch(t), 'file')
  await updateJsonFile(path, { a: 1 }, () => {})
  assert.deepEqual(read(path), { a: 1 }, 'but a file is created')
  const before = statSync(path)
  await updateJsonFile(path, {}, (value) => ({ ...value }))
  assert.deepEqual([statSync(path).ino, statSync(path).mtimeMs], [before.ino, before.mtimeMs])
  writeFileSync(path, '{"a":1}')
  await updateJsonFile(path, {}, () => {})
  assert.equal(readFileSync(path, 'utf8'), '{\n  "a": 1\n}\n', 'another form is a change')
})

test('a file that cannot be parsed is left as it is, and mutate is not called', async (t) => {
  const path = join(scratch(t), 'file')
  for (const bytes of ['{"a":', '\uFEFF{}', 'undefined', Buffer.from([0x22, 0xff, 0x22])]) {
    writeFileSync(path, bytes)
    await assert.rejects(
      updateJsonFile(path, {}, () => assert.fail('called')),
      (error) => {
        assert.ok(error instanceof leasehold.JsonFileError, error.stack)
        assert.equal(error.code, 'json_file_unparseable')
        assert.equal(error.path, path)
        assert.ok(error.message.includes(path))
        if (typeof bytes === 'string') assert.ok(error.cause instanceof SyntaxError)
        return true
      },
    )
    assert.deepEqual(readFileSync(path), Buffer.from(bytes))
  }
  assert.ok(!existsSync(`${path}.lock`))
})

test('an update that fails writes nothing, and gives its lock back', async (t) => {
  const path = join(scratch(t), 'file')
  writeFileSync(path, '{"a":1}')
  const problem = new Error('mutate failed')
  const circular = {}
  circular.itself = circular
  const failures = [
    [() => { throw problem }, problem],
    [(value) => { value.a = 2; return Promise.reject(problem) }, problem],
    [() => 1n, { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }],
    [() => circular, { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }],
    [() => () => {}, { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }],
    [() => ({ toJSON() { throw problem } }), problem],
  ]
  for (const [mutate, expected] of failures) {
    await assert.rejects(updateJsonFile(path, {}, mutate), expected)
    assert.equal(readFileSync(path, 'utf8'), '{"a":1}')
    assert.ok(!existsSync(`${path}.lock`))
  }
})

test('what is no regular file is refused before mutate is called', async (t) => {
  const directory = scratch(t)
  writeFileSync(join(directory, 'real'), '1')
  mkdirSync(join(directory, 'directory'))
  const names = ['directory']
  if (!noFileLinks) {
    symlinkSync(join(directory, 'real'), join(directory, 'link'))
    symlinkSync(join(directory, 'nowhere'), join(directory, 'dangling'))
    names.push('link', 'dangling')
  }
  for (const name of names) {
    await assert.rejects(updateJsonFile(join(directory, name), {}, () => assert.fail('called')), {
      name: 'JsonFileError',
      code: 'json_file_not_a_file',
    })
  }
  assert.equal(readFileSync(join(directory, 'real'), 'utf8'), '1')
  assert.ok(!existsSync(join(directory, 'nowhere')))
})

test('the options are those of withFileLock', async (t) => {
  const path = join(scratch(t), 'file')
  const aborted = AbortSignal.abort(new Error('no longer wanted'))
  await assert.rejects(updateJsonFile(path, 0, () => 1, { signal: aborted }), { message: 'no longer wanted' })
  const held = await leasehold.acquireFileLock(path)
  await assert.rejects(updateJsonFile(path, 0, () => 1, { timeoutMs: 0, label: 'me' }), { code: 'file_lock_timeout' })
  await held.release()
  await updateJsonFile(path, 0, () => assert.equal(leasehold.heldLocks()[0].label, 'me') ?? 1, { label: 'me' })
  assert.equal(read(path), 1)
})

test('new directories are for their owner alone, unlike those of other locks', { skip: noModes }, async (t) => {
  const directory = scratch(t)
  const mode = (name) => statSync(join(directory, name)).mode & 0o777
  const umask = process.umask(0o022)
  try {
    await updateJsonFile(join(directory, 'a', 'b', 'file'), 0, () => 1)
    await withFileLock(join(directory, 'c', 'file'), () => {})
  } finally {
    process.umask(umask)
  }
  assert.deepEqual([mode('a'), mode('a/b'), mode('c')], [0o700, 0o700, 0o755])
})
