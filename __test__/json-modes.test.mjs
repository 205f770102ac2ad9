// A replaced file stays as accessible as it was; a new one is for its owner alone.

import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { noModes } from './support/platform.mjs'

const writes = {
  writeJsonFileAtomically: (path, value) => leasehold.writeJsonFileAtomically(path, value),
  saveJsonFile: async (path, value) => leasehold.saveJsonFile(path, value),
  updateJsonFile: (path, value) => leasehold.updateJsonFile(path, 'none', () => value),
}
const mode = (path) => statSync(path).mode & 0o7777

for (const [name, write] of Object.entries(writes)) {
  describe(name, () => {
    test('writes two-space JSON and a newline', async (t) => {
      const path = join(scratch(t), 'file')
      await write(path, { a: [1, { b: 'ä\u2028\ud800' }], none: undefined, date: new Date(0) })
      const lines = [
        '{',
        '  "a": [',
        '    1,',
        '    {',
        '      "b": "ä\u2028\\ud800"',
        '    }',
        '  ],',
        '  "date": "1970-01-01T00:00:00.000Z"',
        '}',
        '',
      ]
      assert.equal(readFileSync(path, 'utf8'), lines.join('\n'))
    })

    test('creates files with mode 0600 and directories with 0700, whatever the umask', { skip: noModes }, async (t) => {
      const directory = scratch(t)
      for (const umask of [0o000, 0o022, 0o077]) {
        const before = process.umask(umask)
        const path = join(directory, `${umask}`, 'below', 'file')
        await write(path, 1).finally(() => process.umask(before))
        assert.equal(mode(path), 0o600)
        assert.equal(mode(join(directory, `${umask}`)), 0o700)
        assert.equal(mode(join(directory, `${umask}`, 'below')), 0o700)
      }
    })

    test('keeps the mode of a file, and of its directory', { skip: noModes }, async (t) => {
      const directory = join(scratch(t), 'below')
      mkdirSync(directory)
      chmodSync(directory, 0o755)
      const path = join(directory, 'file')
      writeFileSync(path, '1')
      for (const kept of [0o600, 0o640, 0o644, 0o666, 0o400]) {
        chmodSync(path, kept)
        await write(path, kept)
        assert.equal(mode(path), kept)
      }
      assert.equal(mode(directory), 0o755)
    })

    const skip = process.getuid?.() === 0 ? false : 'only root can give files away'
    test('keeps the owner and the group', { skip }, async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(path, '1')
      chownSync(path, 65_534, 12_345)
      chmodSync(path, 0o640)
      await write(path, 2)
      const { uid, gid } = statSync(path)
      assert.deepEqual([uid, gid, mode(path)], [65_534, 12_345, 0o640])
    })

    test('grants no other group what the old one had, where the group cannot be kept', { skip }, async (t) => {
      const directory = scratch(t)
      chmodSync(directory, 0o777)
      const path = join(directory, 'file')
      writeFileSync(path, '1')
      for (const [before, expected] of [[0o640, 0o600], [0o664, 0o644]]) {
        chownSync(path, 0, 12_345)
        chmodSync(path, before)
        const other = child(
          t,
          async ({ leasehold, send, args: { path, name } }) => {
            const write = leasehold[name]
            process.setgroups([])
            process.setgid(65_534)
            process.setuid(65_534)
            const rest = name === 'updateJsonFile' ? ['none', () => 2] : [2]
            try {
              await write(path, ...rest)
              send({ written: true })
            } catch (error) {
              send({ written: error.stack })
            }
          },
          { args: { path, name } },
        )
        const readable = name !== 'updateJsonFile' || (before & 0o004) !== 0
        const { written } = await other.next('written')
        if (!readable) {
          assert.match(written, /EACCES|ermission denied/)
          continue
        }
        assert.equal(written, true)
        assert.deepEqual([statSync(path).uid, mode(path)], [65_534, expected])
      }
    })
  })
}
