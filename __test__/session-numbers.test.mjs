// For sessions, invalid numbers fall back to defaults, and the environment may set the defaults.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { failure, took } from './support/failure.mjs'
import { child, holder, leasehold, scratch } from './support/index.mjs'

const { acquireSessionWriteLock } = leasehold

// These tests wait most of the time.
describe('the numbers of a session', { concurrency: 4 }, () => {
  const bad = [NaN, 0, -1, -Infinity, '5', null, undefined, {}, true, 5n]

  test('a timeoutMs that makes no sense counts as none', async (t) => {
    const path = join(scratch(t), 'file')
    await holder(t, path)
    const failures = await Promise.all(
      bad.map((timeoutMs) => failure(() => acquireSessionWriteLock({ sessionFile: path, timeoutMs }))),
    )
    for (const each of failures) took(each, 10_000)
  })

  test('a maxHoldMs that makes no sense counts as none', async (t) => {
    const path = join(scratch(t), 'file')
    for (const [maxHoldMs, expected] of [...[...bad, Infinity].map((value) => [value, 300_000]), [1234, 1234]]) {
      const handle = await acquireSessionWriteLock({ sessionFile: path, maxHoldMs })
      const [held] = leasehold.heldLocks().filter((lock) => lock.targetPath === path)
      assert.equal(held.maxHoldMs, expected, String(maxHoldMs))
      await handle.release()
    }
  })

  test('a staleMs that makes no sense counts as five minutes', async (t) => {
    const path = join(scratch(t), 'file')
    const peer = (ageMs) => {
      const createdAt = new Date(Date.now() - ageMs).toISOString()
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: process.ppid, createdAt }))
    }
    const ask = (staleMs) => acquireSessionWriteLock({ sessionFile: path, staleMs, timeoutMs: 30 })
    for (const staleMs of [...bad, Infinity]) {
      peer(280_000)
      took(await failure(() => ask(staleMs)), 30)
      peer(320_000)
      await (await ask(staleMs)).release()
    }
    peer(320_000)
    took(await failure(() => ask(600_000)), 30)
    peer(2000)
    await (await ask(1000)).release()
  })

  test('the environment says what the parameters do not', async (t) => {
    const root = scratch(t)
    const senseless = ['0', '-5', '+5', '2.5', '1e3', 'soon', '', '9007199254740993']
    await holder(t, join(root, 'held'))
    const asking = child(
      t,
      async ({ leasehold, send, args: { root, pid, senseless } }) => {
        const { writeFileSync } = await import('node:fs')
        const { join } = await import('node:path')
        const variable = (name) => `OPENCLAW_SESSION_WRITE_LOCK_${name}_MS`
        const outcomes = []
        const note = (what, promise) => outcomes.push(promise.then((value) => [what, value]))
        const timeout = (asked) => asked.then(() => 'got it', (error) => error.timeoutMs)
        const ask = (params) => leasehold.acquireSessionWriteLock({ sessionFile: `${root}/held`, ...params })

        for (const text of ['250', ' 250\n', '00250', ...senseless]) {
          process.env[variable('ACQUIRE_TIMEOUT')] = text
          note(`timeout ${text.trim()}`, timeout(ask()))
        }
        process.env[variable('ACQUIRE_TIMEOUT')] = '250'
        note('parameter', timeout(ask({ timeoutMs: 350 })))
        note('parameter that makes no sense', timeout(ask({ timeoutMs: 'x' })))
        note('file', timeout(leasehold.acquireFileLock(`${root}/held`, { timeoutMs: 300 })))
        delete process.env[variable('ACQUIRE_TIMEOUT')]

        const maxHold = async (params) => {
          const handle = await leasehold.acquireSessionWriteLock({ sessionFile: `${root}/free`, ...params })
          const { maxHoldMs } = leasehold.heldLocks().find((held) => held.targetPath === join(root, 'free'))
          await handle.release()
          return maxHoldMs
        }
        for (const text of ['1234', 'Infinity', '0', 'x']) {
          process.env[variable('MAX_HOLD')] = text
          outcomes.push([`hold ${text}`, await maxHold()])
        }
        process.env[variable('MAX_HOLD')] = '1234'
        outcomes.push(['hold by parameter', await maxHold({ maxHoldMs: 99 })])

        const stale = async (params) => {
          const createdAt = new Date(Date.now() - 60_000).toISOString()
          writeFileSync(`${root}/peer.lock`, JSON.stringify({ pid, createdAt }))
          const asked = leasehold.acquireSessionWriteLock({ sessionFile: `${root}/peer`, timeoutMs: 30, ...params })
          return asked.then((handle) => handle.release().then(() => 'got it'), (error) => error.timeoutMs)
        }
        for (const text of ['1000', '0', 'Infinity']) {
          process.env[variable('STALE')] = text
          outcomes.push([`stale ${text}`, await stale()])
        }
        process.env[variable('STALE')] = '1000'
        outcomes.push(['stale by parameter', await stale({ staleMs: 120_000 })])
        send(Object.fromEntries(await Promise.all(outcomes)))
      },
      { args: { root, pid: process.pid, senseless } },
    )
    const ignored = Object.fromEntries(senseless.map((text) => [`timeout ${text}`, 10_000]))
    assert.deepEqual(await asking.next(), {
      'timeout 250': 250,
      'timeout 00250': 250,
      ...ignored,
      'parameter': 350,
      'parameter that makes no sense': 250,
      'file': 300,
      'hold 1234': 1234,
      'hold Infinity': 300_000,
      'hold 0': 300_000,
      'hold x': 300_000,
      'hold by parameter': 99,
      'stale 1000': 'got it',
      'stale 0': 30,
      'stale Infinity': 30,
      'stale by parameter': 30,
    })
  })
})
