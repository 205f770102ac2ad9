// What a Windows console sends (Ctrl+C, Ctrl+Break, its closing) releases the locks and ends the process as usual.
//
// No process can send these to one child alone, so they are emitted as Node emits them.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, scratch } from './support/index.mjs'
import { onWindows } from './support/platform.mjs'

const skip = !onWindows && 'this is about Windows'
/** The exit code that Windows gives a process that it ends this way: STATUS_CONTROL_C_EXIT. */
const CONTROL_C_EXIT = 0xc000013a

for (const [event, number] of [['SIGINT', 2], ['SIGBREAK', 21], ['SIGHUP', 1]]) {
  test(`${event} ends a holder as Windows would have, and its lock file is gone`, { skip }, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, send, args: { path, event, number } }) => {
        globalThis.lock = await leasehold.acquireFileLock(path)
        process.on('exit', () => send({ exited: true }))
        setInterval(() => {}, 1000)
        process.emit(event, event, number)
        send({ survived: true })
      },
      { args: { path, event, number } },
    )
    const { code, signal } = await holding.exit
    assert.deepEqual([code, signal], [CONTROL_C_EXIT, null])
    assert.deepEqual(holding.drain(), [], 'nothing ran after it')
    assert.ok(!existsSync(`${path}.lock`))
  })

  test(`${event} with another listener releases the lock, and leaves the rest to it`, { skip }, async (t) => {
    const path = join(scratch(t), 'file')
    const holding = child(
      t,
      async ({ leasehold, send, args: { path, event, number } }) => {
        const lock = await leasehold.acquireFileLock(path)
        process.on(event, () => send({ held: lock.held }))
        process.emit(event, event, number)
        setTimeout(() => process.exit(7), 50)
      },
      { args: { path, event, number } },
    )
    assert.deepEqual(await holding.next('held'), { held: false })
    assert.equal((await holding.exit).code, 7)
    assert.ok(!existsSync(`${path}.lock`))
  })
}
