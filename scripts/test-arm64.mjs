// All tests for Linux on arm64, on Debian 12 on x64: `cargo test` and the suites with node 22 and 24, in qemu.
//
//   npm run test:arm64                 installs what is missing (root, 500 MB, 3 minutes the first time)
//   npm run test:arm64 -- fifo stale   only the suites with such a name
//   npm run test:arm64 -- --node 24    one version of Node only
//
// LEASEHOLD_ARM64_DIR is where all of that is put (~/.cache/leasehold/arm64).

import { homedir } from 'node:os'
import { join } from 'node:path'
import { buildPuppet } from '../__test__/torture/puppet.mjs'
import { platformName } from '../lib/platform.mjs'
import { must, mustWithin, place, prepareJavaScript, target } from './prepare.mjs'
import { asked, runSuites, suites } from './suites.mjs'

const TARGET = 'aarch64-unknown-linux-gnu'
const { versions, chosen } = asked()
const dir = process.env.LEASEHOLD_ARM64_DIR ?? join(homedir(), '.cache', 'leasehold', 'arm64')

/** `{ [suite]: why it is not run }` */
const LEFT_OUT = {
  'bundled-code': 'it bundles with esbuild, which is installed for x64',
  demo: 'it measures times, for which qemu is too slow',
  'types-match-exports': 'it compiles TypeScript, which is the same everywhere',
}

async function testInQemu() {
  must('bash', [join('scripts', 'arm64', 'setup.sh'), dir])
  const options = `--locked --quiet --target ${TARGET}`
  if (chosen.length === 0) mustWithin(dir, `cargo test ${options}`)
  mustWithin(dir, `cargo build --package leasehold-addon --profile addon ${options}`)
  place(join(target, TARGET, 'addon', 'libleasehold.so'), 'linux-arm64-gnu')
  await prepareJavaScript()
  const env = {
    ...process.env,
    QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu',
    LEASEHOLD_TEST_PATIENCE: process.env.LEASEHOLD_TEST_PATIENCE ?? '8',
  }
  const platforms = versions.map((version) => ({
    label: `node ${version} on arm64`,
    command: [join(dir, `node-${version}`, 'bin', 'node')],
    env,
    timeoutMs: 600_000,
  }))
  const names = suites(chosen)
  // Here, where no test waits for it. The puppets run natively; what pulls their strings runs in qemu.
  if (names.includes('torture')) buildPuppet()
  if (!(await runSuites(names, platforms, { leftOut: LEFT_OUT, atOnce: 2 }))) process.exitCode = 1
}

if (platformName() === 'linux-arm64-gnu') must(process.execPath, [join('scripts', 'test.mjs'), ...chosen])
else if (platformName() === 'linux-x64-gnu') await testInQemu()
else console.log('skipped: the tests on arm64 need Linux on arm64, or Debian 12 on x64')
