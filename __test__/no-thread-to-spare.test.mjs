// A background thread that could not be started is started later, and does what was left undone.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, scratch, until } from './support/index.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()

/** Starts `one`, refuses the next thread that its main thread starts, and then tells it to go on. */
async function refuseOneThread(t, one) {
  await one.next('ready')
  const { hits } = await tamper(t, one.pid, ['?clone3,clone:error=EAGAIN:when=1'])
  one.send({ start: true })
  await until(() => hits().length > 0)
  one.send({ goOn: true })
}

describe('a thread that could not be started', { skip, concurrency: true }, () => {
  test('is started for whoever waits for a lock although nobody else does', async (t) => {
    const path = join(scratch(t), 'file')
    const waiting = child(
      t,
      async ({ leasehold, send, begin, args: { path } }) => {
        await leasehold.writeJsonFileAtomically(path, 0) // the directory is known
        const lock = await leasehold.acquireFileLock(path) // the heart beats
        await begin()
        await leasehold.acquireFileLock(path, { timeoutMs: 1 }).catch(({ code }) => send({ code }))
        await lock.release()
      },
      { args: { path } },
    )
    await refuseOneThread(t, waiting)
    assert.deepEqual(await waiting.next('code'), { code: 'file_lock_timeout' })
  })

  test('is started for an append although nobody asks again', async (t) => {
    const path = join(scratch(t), 'log')
    const appending = child(
      t,
      async ({ leasehold, send, begin, args: { path } }) => {
        const lock = await leasehold.acquireFileLock(path)
        await begin()
        await lock.appendFile('line\n')
        await lock.release()
        send({ done: true })
      },
      { args: { path } },
    )
    await refuseOneThread(t, appending)
    await appending.next('done')
    assert.equal(readFileSync(path, 'utf8'), 'line\n')
  })

  test('is started by the next lock, and takes the one before when it is held too long', async (t) => {
    const directory = scratch(t)
    const holding = child(
      t,
      async ({ leasehold, send, next, begin, args: { directory } }) => {
        await leasehold.writeJsonFileAtomically(`${directory}/data`, 0) // the directory is known, and no heart beats
        const goOn = next('goOn')
        await begin()
        const stuck = await leasehold.acquireFileLock(`${directory}/one`, { maxHoldMs: 1 })
        stuck.signal.addEventListener('abort', () => send({ lost: stuck.signal.reason.reason }))
        await goOn
        const other = await leasehold.acquireFileLock(`${directory}/two`)
        await next('end')
        await other.release()
      },
      { args: { directory } },
    )
    await refuseOneThread(t, holding)
    assert.deepEqual(await holding.next('lost'), { lost: 'max-hold' })
  })
})
