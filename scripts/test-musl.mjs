// The tests with musl instead of glibc, as on Alpine, but on Debian 12: addon and node 22 and 24 are built for musl.
//
//   npm run test:musl                 installs what is missing (2 GB, 3 minutes the first time)
//   npm run test:musl -- fifo stale   only the suites with such a name
//   npm run test:musl -- --node 24    one version of Node only
//
// LEASEHOLD_MUSL_DIR is where all of that is put (~/.cache/leasehold/musl).

import { homedir } from 'node:os'
import { join } from 'node:path'
import { buildPuppet } from '../__test__/torture/puppet.mjs'
import { platformName } from '../lib/platform.mjs'
import { must, mustWithin, place, prepareJavaScript, target } from './prepare.mjs'
import { asked, runSuites, suites } from './suites.mjs'

const TARGET = 'x86_64-unknown-linux-musl'
const { versions, chosen } = asked()
const dir = process.env.LEASEHOLD_MUSL_DIR ?? join(homedir(), '.cache', 'leasehold', 'musl')

/** `{ [suite]: why it is not run }` */
const LEFT_OUT = { 'types-match-exports': 'it compiles TypeScript, which is the same everywhere' }
const ENGINE = 'cargo test: the engine is the same with both; its tests are linked with glibc'

async function testMusl() {
  must('bash', [join('scripts', 'musl', 'setup.sh'), dir])
  const options = `--profile addon --locked --quiet --target ${TARGET}`
  mustWithin(dir, `cargo zigbuild --package leasehold-addon ${options}`)
  place(join(target, TARGET, 'addon', 'libleasehold.so'), 'linux-x64-musl')
  await prepareJavaScript()
  const platforms = versions.map((version) => {
    const bin = join(dir, `node-${version}`, 'bin')
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` }
    return { label: `node ${version} with musl`, command: [join(bin, 'node')], env }
  })
  const names = suites(chosen)
  if (names.includes('torture')) buildPuppet() // here, where no test waits for it
  const besides = chosen.length === 0 ? [ENGINE] : []
  if (!(await runSuites(names, platforms, { leftOut: LEFT_OUT, besides, atOnce: 2 }))) process.exitCode = 1
}

if (platformName() === 'linux-x64-musl') must(process.execPath, [join('scripts', 'test.mjs'), ...chosen])
else if (platformName() === 'linux-x64-gnu') await testMusl()
else console.log('skipped: the tests with musl need Linux on x64')
