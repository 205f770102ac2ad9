// All tests: the engine's (cargo), the types' (tsc) and the suites (node --test), each suite in a process of its own.
// Arguments are suites to run instead of all: `npm test -- fifo timeout`. With `--prebuilt` the addon that is here is
// tested as it is, and Rust is not needed: `npm test -- --prebuilt`.

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, must, prepareJavaScript } from './prepare.mjs'
import { suites } from './suites.mjs'

const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { prebuilt: { type: 'boolean' } },
})
const files = suites(chosen).map((name) => join('__test__', `${name}.test.mjs`))

await prepareJavaScript()
if (!values.prebuilt) build()
if (chosen.length === 0) {
  if (!values.prebuilt) must('cargo', ['test', '--locked', '--quiet'])
  must(process.execPath, [join('node_modules', 'typescript', 'bin', 'tsc'), '--project', '__test__/types'])
}
// Two at a time: the suites measure who is kept waiting, so they must not crowd each other out.
must(process.execPath, ['--test', '--test-concurrency=2', '--test-timeout=150000', ...files])
