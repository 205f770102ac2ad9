// Handles that share a lease are told of its loss, whatever became of the others.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch, until } from './support/index.mjs'

test('the signal of one handle survives the release of another one', async (t) => {
  const sessionFile = join(scratch(t), 'file')
  const one = await leasehold.acquireSessionWriteLock({ sessionFile })
  const two = await leasehold.acquireSessionWriteLock({ sessionFile })
  const { signal } = one
  await two.release()
  rmSync(one.lockPath)
  assert.throws(() => one.assertHeld(), { code: 'file_lock_lost' })
  await until(() => signal.aborted, { timeoutMs: 5000 })
})

test('a lease is not called leaked while another handle holds it', async (t) => {
  const sharing = child(t, async ({ leasehold, send, args: directory }) => {
    const { setTimeout: sleep } = await import('node:timers/promises')
    process.on('warning', (warning) => send({ warning: warning.code }))
    const sessionFile = `${directory}/file`
    globalThis.kept = await leasehold.acquireSessionWriteLock({ sessionFile })
    await (async () => void (await leasehold.acquireSessionWriteLock({ sessionFile })))()
    for (let i = 0; i < 5; i++) {
      gc()
      await sleep(50)
    }
    send({ done: true, handles: leasehold.heldLocks()[0].handles })
  }, { args: scratch(t), nodeArgs: ['--expose-gc'] })
  assert.deepEqual(await sharing.next(), { done: true, handles: 1 })
})
