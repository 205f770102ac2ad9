// Whatever somebody plants at the path of a JSON file, or at its private name: nothing is written through it.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { after, leasehold, scratch } from './support/index.mjs'
import { noDirectoryLinks, noFileLinks, noSockets, noUnixTools } from './support/platform.mjs'

const writes = {
  writeJsonFileAtomically: (path) => leasehold.writeJsonFileAtomically(path, 'new'),
  saveJsonFile: async (path) => leasehold.saveJsonFile(path, 'new'),
  updateJsonFile: (path) => leasehold.updateJsonFile(path, {}, () => assert.fail('called')),
}

/** `[what it is, how it gets there, why it is skipped]` */
const planted = [
  ['a link to a file', (path, directory) => symlinkSync(join(directory, 'precious'), path), noFileLinks],
  ['a dangling link', (path, directory) => symlinkSync(join(directory, 'nowhere'), path), noFileLinks],
  ['a link to itself', (path) => symlinkSync(path, path), noFileLinks],
  ['a link to a directory', (path, directory) => symlinkSync(directory, path), noDirectoryLinks],
  ['a directory', (path) => mkdirSync(path)],
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), noUnixTools],
  [
    'a socket',
    (path, directory, t) =>
      new Promise((resolve) => {
        const server = createServer().listen(path, resolve)
        after(t, () => new Promise((closed) => server.close(closed)))
      }),
    noSockets,
  ],
]

const facts = (directory) =>
  readdirSync(directory).map((name) => {
    const { ino, mode, size, mtimeMs } = lstatSync(join(directory, name))
    return { name, ino, mode, size, mtimeMs }
  })

for (const [thing, plant, skip] of planted) {
  describe(`${thing} at the path`, () => {
    for (const [name, write] of Object.entries(writes)) {
      test(`is refused by ${name} with a clear error, and left as it is`, { skip, timeout: 60_000 }, async (t) => {
        const directory = scratch(t)
        const path = join(directory, 'file')
        writeFileSync(join(directory, 'precious'), '"precious"')
        await plant(path, directory, t)
        const before = facts(directory)
        await assert.rejects(write(path), (error) => {
          assert.ok(error instanceof leasehold.JsonFileError, error.stack)
          assert.equal(error.name, 'JsonFileError')
          assert.equal(error.code, 'json_file_not_a_file')
          assert.equal(error.path, path)
          assert.ok(error.message.includes(path), error.message)
          return true
        })
        assert.deepEqual(facts(directory), before)
        assert.equal(readFileSync(join(directory, 'precious'), 'utf8'), '"precious"')
      })
    }
  })

  test(`${thing} at the private name is passed by`, { skip, timeout: 60_000 }, async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    writeFileSync(join(directory, 'precious'), '"precious"')
    writeFileSync(path, '"old"')
    await plant(`${path}.leasehold-0.tmp`, directory, t)
    const before = facts(directory).filter(({ name }) => name !== 'file')
    await leasehold.writeJsonFileAtomically(path, 'new')
    leasehold.saveJsonFile(path, 'newer')
    assert.equal(readFileSync(path, 'utf8'), '"newer"\n')
    assert.deepEqual(facts(directory).filter(({ name }) => name !== 'file'), before)
  })
}

test('links in the directory of a file are followed', { skip: noDirectoryLinks }, async (t) => {
  const directory = scratch(t)
  mkdirSync(join(directory, 'real'))
  symlinkSync('real', join(directory, 'link'), 'dir')
  await leasehold.writeJsonFileAtomically(join(directory, 'link', 'file'), 1)
  await leasehold.updateJsonFile(join(directory, 'link', 'file'), 0, (value) => value + 1)
  assert.equal(leasehold.loadJsonFile(join(directory, 'real', 'file')), 2)
  assert.ok(lstatSync(join(directory, 'link')).isSymbolicLink())
})
