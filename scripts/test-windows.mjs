// All tests for Windows: on Windows itself those of `npm test`, on Debian the same under wine, with node.exe 22 and 24.
//
//   npm run test:windows                 installs what is missing (root, 3 GB, 4 minutes the first time)
//   npm run test:windows -- fifo stale   only the suites with such a name
//   npm run test:windows -- --node 24    one version of Node only
//
// LEASEHOLD_WINDOWS_DIR is where wine and the rest are put (~/.cache/leasehold/windows).

import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { must, mustWithin, place, prepareJavaScript, root, target } from './prepare.mjs'
import { asked, runSuites, suites } from './suites.mjs'

const TARGET = 'x86_64-pc-windows-gnu'
const { versions, chosen } = asked()
const dir = resolve(process.env.LEASEHOLD_WINDOWS_DIR ?? join(homedir(), '.cache', 'leasehold', 'windows'))

/** `{ [suite]: why it is not run }` */
const LEFT_OUT = {
  demo: 'it measures times, for which wine is too slow',
  'types-match-exports': 'it compiles TypeScript, which is the same everywhere',
}
const MODELS = 'cargo test model: it only computes, which is the same everywhere, and takes over ten minutes under wine'

async function testUnderWine() {
  await prepareJavaScript()
  must('bash', [join('scripts', 'windows', 'setup.sh'), dir])
  const options = `--locked --target ${TARGET}`
  if (chosen.length === 0) mustWithin(dir, `cargo test ${options} -- --skip model::`)
  mustWithin(dir, `cargo build --package leasehold-addon --profile addon ${options}`)
  place(join(target, TARGET, 'addon', 'leasehold.dll'), 'win32-x64-msvc') // the name that is looked for on Windows
  const env = {
    ...process.env,
    // For child processes, too, wherever they start.
    NODE_OPTIONS: `--import=file:///Z:${encodeURI(root)}/scripts/windows/posix-names.mjs`,
    LEASEHOLD_TEST_PATIENCE: process.env.LEASEHOLD_TEST_PATIENCE ?? '4',
    // The installed one is for Linux.
    ESBUILD_BINARY_PATH: `Z:${dir}/esbuild/esbuild.exe`,
  }
  const platforms = versions.map((version) => ({
    label: `node ${version} under wine`,
    command: [join(dir, 'wine'), join(dir, `node-${version}`, 'node.exe')],
    env,
  }))
  const besides = chosen.length === 0 ? [MODELS] : []
  // One at a time: wine is slow, and its processes get in each other's way.
  if (!(await runSuites(suites(chosen), platforms, { leftOut: LEFT_OUT, besides }))) process.exitCode = 1
}

if (process.platform === 'win32') must(process.execPath, [join('scripts', 'test.mjs'), ...chosen])
else if (process.platform === 'linux') await testUnderWine()
else console.log('skipped: the tests for Windows need Windows, or Debian 12 with root rights for wine')
