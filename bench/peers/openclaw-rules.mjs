// The rules of OpenClaw 2026.3 in as little JavaScript as they take, polling every millisecond. OpenClaw itself does
// more (it resolves the path, and keeps a table), and is slower for it.

import { acquire } from '../../__test__/support/javascript-lock.mjs'

async function run(path, work) {
  const { release } = await acquire(path, { gapMs: 1 })
  await work()
  await release()
}

export const runs = { 'OpenClaw rules': run }
