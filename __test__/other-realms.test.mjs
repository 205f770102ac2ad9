// The package works where it is loaded beside other built-in classes than Node's own, as some test runners do.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, scratch } from './support/index.mjs'

test('in a realm of its own, the package reads, writes, appends and aborts as elsewhere', async (t) => {
  const directory = scratch(t)
  const json = join(directory, 'file.json')
  const log = join(directory, 'file.jsonl')
  writeFileSync(json, '{"count":1}')
  const inside = child(
    t,
    async ({ addonUrl, send, args: { json, log } }) => {
      const { readFileSync } = await import('node:fs')
      const { createRequire } = await import('node:module')
      const { dirname } = await import('node:path')
      const { fileURLToPath } = await import('node:url')
      const { createContext, runInContext } = await import('node:vm')
      const path = fileURLToPath(addonUrl)
      const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`
      const realm = createContext({ process, AbortController, AbortSignal })
      const module = { exports: {} }
      runInContext(source, realm)(module.exports, createRequire(path), module, path, dirname(path))
      const leasehold = module.exports

      const loaded = [leasehold.loadJsonFile(json), (await leasehold.readJsonFileWithFallback(json, 'none')).value]
      const updated = await leasehold.updateJsonFile(json, {}, (value) => ({ count: value.count + 1 }))
      await leasehold.withFileLock(log, async (lock) => {
        await lock.appendFile(Buffer.from('bytes\n'))
        await lock.appendFile('text\n')
      })
      const lock = await leasehold.acquireFileLock(log)
      const controller = new AbortController()
      const waiting = leasehold.acquireFileLock(log, { signal: controller.signal })
      controller.abort('enough')
      const aborted = await waiting.catch((reason) => reason)
      // What OpenClaw's locks note comes from the realm of the program.
      process[Symbol.for('openclaw.fileLockHeldLocks')] = new Map([[`${log}2`, {}]])
      const { writeFileSync } = await import('node:fs')
      writeFileSync(`${log}2.lock`, JSON.stringify({ pid: process.pid, createdAt: new Date().toISOString() }))
      const other = await leasehold.acquireFileLock(`${log}2`, { timeoutMs: 30 }).catch(({ code }) => code)
      await lock.release()
      send({ loaded, updated, aborted, other })
    },
    { args: { json, log } },
  )
  assert.deepEqual(await inside.next('loaded'), {
    loaded: [{ count: 1 }, { count: 1 }],
    updated: { count: 2 },
    aborted: 'enough',
    other: 'file_lock_timeout',
  })
  assert.equal(readFileSync(log, 'utf8'), 'bytes\ntext\n')
})
