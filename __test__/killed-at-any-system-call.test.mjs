// A process killed between any two system calls of taking or giving up a lock leaves nothing that blocks others.

import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { notAsGlibc } from './support/platform.mjs'
import { deadPid } from './support/processes.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()
const NAMED = 'linkat:error=EOPNOTSUPP'
const LINKED = ['linkat:error=EOPNOTSUPP:when=1', 'renameat2:error=EINVAL']

/** `[the moment before which it is killed, what strace does, from what the next one recovers, { stale, leftover }]` */
const moments = [
  ['an unnamed file is locked', ['flock:signal=SIGKILL'], null],
  ['an unnamed file is filled', ['pwrite64:signal=SIGKILL'], null],
  ['an unnamed file gets its name', ['linkat:signal=SIGKILL'], null],
  ['a named file is guarded for its removal', ['fcntl:signal=SIGKILL'], 'owner-died'],
  ['a named file is removed', ['unlinkat:signal=SIGKILL'], 'owner-died'],
  ['a stale file is locked', ['flock:signal=SIGKILL:when=2'], 'dead-pid', { stale: true }],
  ['a stale file is guarded', ['fcntl:signal=SIGKILL:when=1'], 'dead-pid', { stale: true }],
  ['a stale file is written over', ['pwrite64:signal=SIGKILL:when=2'], 'dead-pid', { stale: true }],
  ['a stale file written over is unguarded', ['fcntl:signal=SIGKILL:when=2'], 'owner-died', { stale: true }],
  ['a private name is locked', [NAMED, 'flock:signal=SIGKILL:when=2'], null, { leftover: true }],
  ['a private name is filled', [NAMED, 'pwrite64:signal=SIGKILL:when=2'], null, { leftover: true }],
  ['a private name is renamed', [NAMED, 'renameat2:signal=SIGKILL'], null, { leftover: true }],
  ['a linked private name is removed', [...LINKED, 'unlinkat:signal=SIGKILL'], 'owner-died', { leftover: true }],
]

describe('killed just before', { skip, concurrency: 2 }, () => {
  for (const [moment, rules, from, { stale, leftover } = {}] of moments) {
    test(moment, { skip: rules.some((rule) => rule.startsWith('fcntl')) && notAsGlibc }, async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      if (stale) {
        writeFileSync(`${path}.lock`, JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }))
      }
      const victim = child(
        t,
        async ({ leasehold, send, begin, args: { path } }) => {
          await begin()
          await (await leasehold.acquireFileLock(path)).release()
          send({ survived: true })
        },
        { args: { path } },
      )
      await victim.next('ready')
      await tamper(t, victim.pid, rules)
      victim.send({ start: true })
      assert.equal((await victim.exit).signal, 'SIGKILL', 'it got as far as that')
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 4000 })
      assert.equal(lock.recoveredFrom ?? null, from)
      await lock.release()
      const left = readdirSync(directory).filter((name) => !(leftover && name.endsWith('.tmp')))
      assert.deepEqual(left, [])
    })
  }

  test('an empty file is filled, where a name must be created first: it blocks for `stale` at most', async (t) => {
    const path = join(scratch(t), 'file')
    const victim = child(
      t,
      async ({ leasehold, send, begin, args: { path } }) => {
        await begin()
        await leasehold.acquireFileLock(path)
      },
      { args: { path } },
    )
    await victim.next('ready')
    await tamper(t, victim.pid, ['linkat:error=EPERM', 'renameat2:error=EINVAL', 'flock:signal=SIGKILL:when=3'])
    victim.send({ start: true })
    assert.equal((await victim.exit).signal, 'SIGKILL')
    const lock = await leasehold.acquireFileLock(path, { stale: 1000, timeoutMs: 20_000 })
    assert.equal(lock.recoveredFrom, 'missing-pid')
    await lock.release()
  })
})
