// The ordeals of `npm run torture`, cut to what a test run has time for. docs/reliability.md shows that each can fail.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ORDEALS, SIZES } from './torture/ordeals/index.mjs'

/** Always the same here: `npm run torture` tries others. */
const SEED = 1

for (const [name, { title, run }] of Object.entries(ORDEALS)) {
  test(`${name}: ${title}`, async (t) => {
    const { rows, problems, skip } = await run({ seed: SEED, ...SIZES.short[name] })
    if (skip) return t.skip(skip)
    assert.deepEqual(problems, [], JSON.stringify(rows, null, 2))
    assert.ok(rows.length > 0)
  })
}
