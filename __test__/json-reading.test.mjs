// Reading a JSON file yields its value or the fallback, whatever stands at its path; it never fails or hangs.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { after, child, leasehold, scratch } from './support/index.mjs'
import { noFileLinks, noModes, noSockets, noUnixTools } from './support/platform.mjs'

const { loadJsonFile, readJsonFileWithFallback } = leasehold
const fallback = { fallback: true }

/** `[what is there, how it gets there, what is read: undefined for the fallback, whether it exists, why skipped]` */
const cases = [
  ['nothing', () => {}, undefined, false],
  ['an object', (path) => writeFileSync(path, '{"a":[1,"ä"]}'), { a: [1, 'ä'] }, true],
  ['false', (path) => writeFileSync(path, 'false'), false, true],
  ['zero, between blanks', (path) => writeFileSync(path, ' \n0\t\r\n'), 0, true],
  ['an empty string', (path) => writeFileSync(path, '""'), '', true],
  ['null', (path) => writeFileSync(path, 'null\n'), undefined, true],
  ['an empty file', (path) => writeFileSync(path, ''), undefined, true],
  ['half a file', (path) => writeFileSync(path, '{"a":'), undefined, true],
  ['a byte order mark', (path) => writeFileSync(path, '\uFEFF{"a":1}'), undefined, true],
  ['bytes that are no text', (path) => writeFileSync(path, Buffer.from([0, 0xff, 0xfe])), undefined, true],
  ['a directory', (path) => mkdirSync(path), undefined, true],
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), undefined, true, noUnixTools],
  ['a socket', listen, undefined, true, noSockets],
  ['a device', (path) => symlinkSync('/dev/zero', path), undefined, true, noUnixTools],
  ['a link to a file', linkTo('{"linked":1}'), { linked: 1 }, true, noFileLinks],
  ['a link to nothing', (path) => symlinkSync('nowhere', path), undefined, false, noFileLinks],
  ['a link to itself', (path) => symlinkSync(path, path), undefined, true, noFileLinks],
  ['a megabyte', (path) => writeFileSync(path, JSON.stringify('x'.repeat(1 << 20))), 'x'.repeat(1 << 20), true],
]

function linkTo(text) {
  return (path) => {
    writeFileSync(`${path}-real`, text)
    symlinkSync(`${path}-real`, path)
  }
}

function listen(path, t) {
  return new Promise((resolve) => {
    const server = createServer().listen(path, resolve)
    after(t, () => new Promise((closed) => server.close(closed)))
  })
}

for (const [name, plant, expected, exists, skip] of cases) {
  test(`at the path: ${name}`, { skip, timeout: 60_000 }, async (t) => {
    const path = join(scratch(t), 'file')
    await plant(path, t)
    const read = await readJsonFileWithFallback(path, fallback)
    assert.deepEqual(read, { value: expected === undefined ? fallback : expected, exists })
    if (expected === undefined) assert.equal(read.value, fallback, 'the very same')
    assert.deepEqual(loadJsonFile(path), expected)
  })
}

test('a directory that is missing, or no directory, has no files', async (t) => {
  const directory = scratch(t)
  writeFileSync(join(directory, 'file'), '{}')
  for (const path of [join(directory, 'a', 'b'), join(directory, 'file', 'below'), join(directory, 'file', 'a', 'b')]) {
    assert.deepEqual(await readJsonFileWithFallback(path, 1), { value: 1, exists: false })
    assert.equal(loadJsonFile(path), undefined)
  }
})

test('a file that this user may not read is there all the same', { skip: noModes }, async (t) => {
  const path = join(scratch(t), 'file')
  writeFileSync(path, '{}')
  chmodSync(path, 0)
  chmodSync(join(path, '..'), 0o755)
  const reader = child(
    t,
    async ({ leasehold, send, args: { path, user } }) => {
      const read = leasehold.readJsonFileWithFallback
      if (user) process.setuid(user)
      send({ read: await read(path, 'fallback'), loaded: leasehold.loadJsonFile(path) ?? 'nothing' })
    },
    // Root may read everything.
    { args: { path, user: process.getuid() === 0 ? 65_534 : undefined } },
  )
  assert.deepEqual(await reader.next('read'), { read: { value: 'fallback', exists: true }, loaded: 'nothing' })
})

test('relative paths are those of the moment of the call', async (t) => {
  const directory = scratch(t)
  mkdirSync(join(directory, 'one'))
  mkdirSync(join(directory, 'two'))
  writeFileSync(join(directory, 'one', 'file'), '1')
  writeFileSync(join(directory, 'two', 'file'), '2')
  const reader = child(
    t,
    async ({ leasehold, send }) => {
      process.chdir('one')
      const first = leasehold.readJsonFileWithFallback('file', 0)
      const written = leasehold.writeJsonFileAtomically('written', 1)
      process.chdir('../two')
      const second = leasehold.readJsonFileWithFallback('file', 0)
      const loaded = leasehold.loadJsonFile('./file')
      send({ values: [(await first).value, (await second).value, loaded] })
      await written
      send({ there: leasehold.loadJsonFile('../one/written') })
    },
    { cwd: directory },
  )
  assert.deepEqual((await reader.next('values')).values, [1, 2, 2])
  assert.equal((await reader.next('there')).there, 1)
})
