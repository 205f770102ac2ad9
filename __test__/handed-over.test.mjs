// Tasks of one process hand their lock over to each other without asking the disk. What others see of it stays true.

import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { after, holder, leasehold, scratch, sleep, until } from './support/index.mjs'

const { acquireFileLock, withFileLock } = leasehold

/** Three tasks that hold the lock of `path` for `holdMs` in turns until the test ends. How often, and what they were told. */
function tasks(t, path, { holdMs, ...options }) {
  const seen = { turns: 0, losses: [] }
  let isOver = false
  const task = async () => {
    while (!isOver) {
      const work = () => {
        seen.turns++
        return sleep(holdMs)
      }
      await withFileLock(path, { timeoutMs: Infinity, ...options }, work).catch((error) => {
        if (error.code !== 'file_lock_lost') throw error
        seen.losses.push(error)
      })
    }
  }
  const all = Promise.all([task(), task(), task()])
  after(t, () => {
    isOver = true
    return all
  })
  return seen
}

const recorded = (path) => JSON.parse(readFileSync(`${path}.lock`, 'utf8')).leasehold

describe('handed over', { concurrency: 3 }, () => {
  test('a lock that was taken away between two of them is noticed, and left alone', async (t) => {
    const path = join(scratch(t), 'file')
    const seen = tasks(t, path, { holdMs: 5 })
    await until(() => seen.turns > 10)
    rmSync(`${path}.lock`)
    const other = await holder(t, path)
    await until(() => seen.losses.length > 0)
    assert.equal(seen.losses[0].lockPath, `${path}.lock`)
    const { turns } = seen
    await sleep(200)
    assert.equal(seen.turns, turns, 'a task got in while another process had the lock')
    await other.release()
    await until(() => seen.turns > turns)
  })

  test('beats go on, however short the holds are', async (t) => {
    const path = join(scratch(t), 'file')
    const seen = tasks(t, path, { holdMs: 200, leaseMs: 1500 })
    await until(() => seen.turns > 1)
    // To read it would look as if somebody waited, and they would let go of it.
    const { ino, mtimeMs } = statSync(`${path}.lock`)
    await until(() => statSync(`${path}.lock`).mtimeMs > mtimeMs)
    assert.equal(statSync(`${path}.lock`).ino, ino, 'it was not released')
    assert.deepEqual(seen.losses, [])
  })

  test('the next one has the lease that it asked for', async (t) => {
    const path = join(scratch(t), 'file')
    const first = await acquireFileLock(path, { leaseMs: 500, label: 'first' })
    const second = acquireFileLock(path, { leaseMs: 20_000, label: 'second' })
    await first.release()
    const lock = await second
    assert.equal(recorded(path).leaseMs, 20_000, 'others would take it away too early')
    assert.equal(recorded(path).token, String(lock.token))
    await lock.release()
  })
})
