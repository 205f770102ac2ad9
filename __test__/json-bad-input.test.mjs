// A wrong argument is a TypeError with a code, before anything happens.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { leasehold, scratch } from './support/index.mjs'

const { loadJsonFile, readJsonFileWithFallback, saveJsonFile, updateJsonFile, writeJsonFileAtomically } = leasehold
const circle = {}
circle.around = [circle]
const problem = new Error('from toJSON')

const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }
const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
const fallbackText = { ...value, message: /^fallback cannot be written as JSON/ }

const calls = {
  readJsonFileWithFallback: (path) => readJsonFileWithFallback(path, 0),
  loadJsonFile: async (path) => loadJsonFile(path),
  writeJsonFileAtomically: (path) => writeJsonFileAtomically(path, 0),
  saveJsonFile: async (path) => saveJsonFile(path, 0),
  updateJsonFile: (path) => updateJsonFile(path, 0, () => assert.fail('called')),
}

describe('a path that is none', () => {
  for (const [name, call] of Object.entries(calls)) {
    test(name, async () => {
      for (const path of [undefined, null, 0, {}, Buffer.from('a'), new URL('file:///tmp/a'), Symbol('a')]) {
        await assert.rejects(call(path), { ...type, message: /path must be a string/ })
      }
      for (const path of ['', 'a\0b', '/', '/a/..']) await assert.rejects(call(path), value)
    })
  }
})

const badValues = [
  ['undefined', undefined, value],
  ['a function', () => {}, value],
  ['a symbol', Symbol('a'), value],
  ['a BigInt', 1n, value],
  ['a BigInt inside', { a: [1n] }, value],
  ['a circle', circle, value],
  ['what turns into nothing', { toJSON() {} }, value],
  ['what refuses', { toJSON() { throw problem } }, problem],
]

const badOptions = [
  [null, type],
  ['durable', type],
  [() => {}, type],
  [{ durable: 'no' }, type],
  [{ durable: 1 }, type],
]
const badLocks = [{ lock: 'a.lock' }, { lock: true }, { lock: { lockPath: 'a.lock', release() {} } }]

for (const [name, write] of [
  ['writeJsonFileAtomically', writeJsonFileAtomically],
  ['saveJsonFile', async (...args) => saveJsonFile(...args)],
]) {
  describe(name, () => {
    for (const [kind, bad, expected] of badValues) {
      test(`refuses ${kind} as a value`, async (t) => {
        const directory = scratch(t)
        writeFileSync(join(directory, 'file'), 'old')
        await assert.rejects(write(join(directory, 'file'), bad), expected)
        await assert.rejects(write(join(directory, 'new', 'file'), bad), expected)
        assert.equal(readFileSync(join(directory, 'file'), 'utf8'), 'old')
        assert.deepEqual(readdirSync(directory), ['file'])
      })
    }

    test('refuses wrong options', async (t) => {
      const path = join(scratch(t), 'file')
      for (const [options, expected] of [...badOptions, ...badLocks.map((options) => [options, type])]) {
        await assert.rejects(write(path, 1, options), { ...expected, message: /^options/ }, JSON.stringify(options))
      }
      assert.ok(!existsSync(path))
      for (const options of [undefined, {}, { durable: undefined, lock: undefined }]) await write(path, 1, options)
    })
  })
}

describe('updateJsonFile', () => {
  test('refuses wrong arguments before it creates a directory or asks for the lock', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'new', 'file')
    const mutate = () => assert.fail('called')
    const bad = [
      [[path, 0], { ...type, message: /mutate/ }],
      [[path, 0, 'mutate'], { ...type, message: /mutate/ }],
      [[path, 1n, mutate], fallbackText],
      [[path, circle, mutate], fallbackText],
      [[path, () => {}, mutate], fallbackText],
      ...badOptions.map(([options, expected]) => [[path, 0, mutate, options], expected]),
      [[path, 0, mutate, { timeoutMs: 'soon' }], type],
      [[path, 0, mutate, { timeoutMs: -1 }], range],
      [[path, 0, mutate, { signal: {} }], type],
      [[path, 0, mutate, { onUnhandledRejection: 'throw' }], type],
      [[path, 0, mutate, { label: 1 }], type],
    ]
    for (const [args, expected] of bad) await assert.rejects(updateJsonFile(...args), expected)
    assert.deepEqual(readdirSync(directory), [])
  })
})
