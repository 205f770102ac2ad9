// A process killed between any two system calls of a write leaves the old content or the new one, and no other file
// once the next write is done.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()
const NAMED = 'linkat:error=EOPNOTSUPP'
const OLD = '"old"\n'
const NEW = '"new"\n'

/** `[the moment before which it is killed, what strace does, what the file then says, { isNew, leftover }]` */
const moments = [
  ['the mode is set', ['fchmod:signal=SIGKILL'], OLD],
  ['the file is synced', ['fsync:signal=SIGKILL'], OLD],
  ['the file is locked', ['flock:signal=SIGKILL'], OLD],
  ['it gets a private name', ['linkat:signal=SIGKILL'], OLD],
  ['it gets the public name', ['renameat:signal=SIGKILL'], OLD, { leftover: true }],
  ['the directory is synced', ['fsync:signal=SIGKILL:when=2'], NEW],
  ['a new file is synced', ['fsync:signal=SIGKILL'], undefined, { isNew: true }],
  ['a new file gets its name', ['linkat:signal=SIGKILL'], undefined, { isNew: true }],
  ['the directory of a new file is synced', ['fsync:signal=SIGKILL:when=2'], NEW, { isNew: true }],
  ['a named file is locked', [NAMED, 'flock:signal=SIGKILL:when=2'], OLD, { leftover: true }],
  ['the mode of a named file is set', [NAMED, 'fchmod:signal=SIGKILL:when=2'], OLD, { leftover: true }],
  ['a named file is synced', [NAMED, 'fsync:signal=SIGKILL:when=2'], OLD, { leftover: true }],
  ['a named file gets the public name', [NAMED, 'renameat:signal=SIGKILL'], OLD, { leftover: true }],
  ['a new named file is synced', [NAMED, 'fsync:signal=SIGKILL:when=2'], undefined, { isNew: true, leftover: true }],
  ['a new named file gets its name', [NAMED, 'renameat:signal=SIGKILL'], undefined, { isNew: true, leftover: true }],
  ['the directory of a named file is synced', [NAMED, 'fsync:signal=SIGKILL:when=3'], NEW],
]

const writes = {
  writeJsonFileAtomically: (path) => leasehold.writeJsonFileAtomically(path, 'next'),
  saveJsonFile: async (path) => leasehold.saveJsonFile(path, 'next'),
  updateJsonFile: (path) => leasehold.updateJsonFile(path, 'none', () => 'next', { timeoutMs: 30_000 }),
}

function content(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** A process that `rules` kill while it replaces the file by `write`. */
async function killedWriter(t, path, write, rules) {
  const victim = child(
    t,
    async ({ leasehold, send, begin, args: { path, write } }) => {
      await begin()
      await (write === 'updateJsonFile' ? leasehold[write](path, 'none', () => 'new') : leasehold[write](path, 'new'))
      send({ survived: true })
    },
    { args: { path, write } },
  )
  await victim.next('ready')
  await tamper(t, victim.pid, rules)
  victim.send({ start: true })
  assert.equal((await victim.exit).signal, 'SIGKILL', 'it got as far as that')
}

describe('killed just before', { skip, concurrency: 2 }, () => {
  const names = Object.keys(writes)
  for (const [index, [moment, rules, expected, { isNew, leftover } = {}]] of moments.entries()) {
    test(moment, async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      if (!isNew) writeFileSync(path, OLD)
      await killedWriter(t, path, names[index % 2], rules)
      assert.equal(content(path), expected)
      const others = readdirSync(directory).filter((name) => name !== 'file')
      assert.deepEqual(others, leftover ? ['file.leasehold-0.tmp'] : [])
      await writes[names[index % 3]](path)
      assert.equal(content(path), '"next"\n')
      assert.deepEqual(readdirSync(directory), ['file'])
    })
  }

  test('an update gets the public name: its lock is recovered, too', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    writeFileSync(path, OLD)
    await killedWriter(t, path, 'updateJsonFile', ['renameat:signal=SIGKILL'])
    const seen = []
    await leasehold.updateJsonFile(path, 'none', (value) => {
      seen.push(value)
      return 'next'
    })
    assert.deepEqual(seen, ['old'])
    assert.equal(content(path), '"next"\n')
    assert.deepEqual(readdirSync(directory), ['file'])
  })
})
