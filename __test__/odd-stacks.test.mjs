// Programs change how stacks are made; errors and news must survive that.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { child, scratch } from './support/index.mjs'

for (const [name, change] of Object.entries({
  'structured stacks': 'Error.prepareStackTrace = (_, frames) => frames',
  'no stacks at all': 'delete Error.stackTraceLimit',
})) {
  test(`${name}: errors arrive, losses are told, nothing is uncaught`, async (t) => {
    const odd = child(t, async ({ leasehold, send, args: { directory, change } }) => {
      const { rmSync } = await import('node:fs')
      process.on('uncaughtException', (error) => send({ uncaught: error.message }))
      process.on('warning', (warning) => send({ warning: warning.code }))
      new Function(change)()
      const handle = await leasehold.acquireFileLock(`${directory}/file`)
      const asked = leasehold.acquireFileLock(`${directory}/file`, { timeoutMs: 20 })
      await asked.catch((error) => send({ code: error.code }))
      rmSync(handle.lockPath)
      try { handle.assertHeld() } catch (error) { send({ held: error.code }) }
      setInterval(() => {}, 1e6)
    }, { args: { directory: scratch(t), change } })
    assert.deepEqual(await odd.next(), { code: 'file_lock_timeout' })
    assert.deepEqual(await odd.next(), { held: 'file_lock_lost' })
    assert.deepEqual(await odd.next(), { warning: 'LEASEHOLD_LOCK_LOST' })
  })
}
