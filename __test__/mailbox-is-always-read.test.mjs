// News posted during a release must not hold back later news.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { child, scratch } from './support/index.mjs'

test('a waiter gets its answer after a release that found its lock lost', async (t) => {
  const waiting = child(t, async ({ leasehold, send, args: directory }) => {
    const { rmSync } = await import('node:fs')
    const handle = await leasehold.acquireFileLock(`${directory}/one`)
    rmSync(handle.lockPath)
    await handle.release() // posts the loss, and nobody fetches it
    const other = await leasehold.acquireFileLock(`${directory}/two`)
    await leasehold.acquireFileLock(`${directory}/two`, { timeoutMs: 100 }).catch((error) => send({ code: error.code }))
    await other.release()
  }, { args: scratch(t) })
  assert.deepEqual(await waiting.next('code', { timeoutMs: 15_000 }), { code: 'file_lock_timeout' })
})

test('the loss found at a release is told without anything else happening', async (t) => {
  const losing = child(t, async ({ leasehold, send, args: directory }) => {
    const { rmSync } = await import('node:fs')
    process.on('warning', (warning) => send({ warning: warning.code }))
    setInterval(() => {}, 1e6)
    const handle = await leasehold.acquireFileLock(`${directory}/one`)
    rmSync(handle.lockPath)
    await handle.release()
  }, { args: scratch(t) })
  assert.deepEqual(await losing.next('warning', { timeoutMs: 15_000 }), { warning: 'LEASEHOLD_LOCK_LOST' })
})
