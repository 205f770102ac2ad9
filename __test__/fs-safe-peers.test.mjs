// Processes that use the real @openclaw/fs-safe, on which OpenClaw 2026.9 is built, share files with ours.
// `npm run test:openclaw` does this for longer, and with OpenClaw itself.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { hammer, recover } from '../openclaw/fleet/scenes.mjs'

const [major] = process.versions.node.split('.').map(Number)
const skip = major < 22 && '@openclaw/fs-safe 0.18.1 needs Node 22 or newer'
const SOON = 5000
const kind = 'fs-safe'

describe('fs-safe peers', { skip }, () => {
  test('four processes count on two files, some are killed: nobody meets anybody, no count is lost', async () => {
    const sides = ['leasehold', 'leasehold', 'peer', 'peer']
    const { faults, overlaps, lostUpdates, turns, kills } = await hammer({ kind }, { sides, seconds: 4 })
    assert.deepEqual(faults, [])
    assert.deepEqual(Object.entries(overlaps).filter(([, count]) => count > 0), [])
    assert.equal(lostUpdates, 0)
    assert.ok(turns.leasehold > 10 && turns.peer > 10, `everybody had turns: ${JSON.stringify(turns)}`)
    assert.ok(kills.length > 0)
  })

  for (const [from, by] of [['peer', 'leasehold'], ['leasehold', 'peer']]) {
    test(`the lock of a ${from} that was killed is recovered by a ${by}`, async () => {
      const [wait] = await recover({ kind }, { from, by, rounds: 1 })
      assert.ok(wait < SOON, `${wait} ms`)
    })
  }
})
