// Users load the addon into a gateway. In some package layouts Cargo silently leaves out link-time optimisation: the
// addon is then twice as large, and everything else works.

import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { platformName } from '../lib/platform.mjs'

/** In bytes: a tenth above the target of 700 kB, to allow for other versions of the compiler. */
const LIMIT = 770_000
const PLATFORM = 'linux-x64-gnu'
const skip = platformName() !== PLATFORM && `the limit is that for ${PLATFORM}`

test('the addon is built as small as it is meant to be', { skip }, () => {
  const { size } = statSync(fileURLToPath(new URL(`../leasehold.${PLATFORM}.node`, import.meta.url)))
  assert.ok(size < LIMIT, `${size} bytes`)
})
