// All tests: the engine's (cargo), the types' (tsc), the promises' (node --test), each suite in a
// process of its own. Arguments are suites to run instead of all: `npm test -- fifo timeout`. With `--prebuilt` the
// addon that is here is tested as it is, and Rust is not needed: `npm test -- --prebuilt`.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, installPackages, root } from './prepare.mjs'

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { prebuilt: { type: 'boolean' } },
})
const suites = readdirSync(join(root, '__test__'))
  .filter((name) => name.endsWith('.test.mjs'))
  .filter((name) => chosen.length === 0 || chosen.some((part) => name.includes(part)))
  .map((name) => join('__test__', name))

installPackages()
if (!values.prebuilt) build()
if (chosen.length === 0) {
  if (!values.prebuilt) run('cargo', ['test', '--locked', '--quiet'])
  run(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '--project', '__test__/types'])
}
// Two at a time: the suites measure who is kept waiting, so they must not crowd each other out.
run(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=150000', ...suites])
