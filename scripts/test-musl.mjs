// The tests with musl instead of glibc, as on Alpine, but on Debian 12: addon and node 22 and 24 are built for musl.
//
//   npm run test:musl                 installs what is missing (root, 2 GB, 3 minutes the first time)
//   npm run test:musl -- fifo stale   the suites with such a name, nothing else
//   npm run test:musl -- --node 24    one version of Node only
//
// LEASEHOLD_MUSL_DIR is where all that is put (~/.cache/leasehold/musl).

import { spawnSync } from 'node:child_process'
import { copyFileSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import platform from '../lib/platform.js'
import { installPackages, root } from './prepare.mjs'

const TARGET = 'x86_64-unknown-linux-musl'
const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', multiple: true, default: ['22', '24'] } },
})
const dir = process.env.LEASEHOLD_MUSL_DIR ?? join(homedir(), '.cache', 'leasehold', 'musl')
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  return status ?? 1
}

function must(...call) {
  const status = run(...call)
  if (status !== 0) process.exit(status)
}

function testMusl() {
  must('bash', [join('scripts', 'musl', 'setup.sh'), dir])
  const build = `cargo zigbuild --release --lib --locked --quiet --target ${TARGET} --target-dir "${target}"`
  must('bash', ['-c', `. "${dir}/env.sh" && ${build}`])
  const addon = join(root, 'leasehold.linux-x64-musl.node')
  copyFileSync(join(target, TARGET, 'release', 'libleasehold.so'), `${addon}.new`)
  renameSync(`${addon}.new`, addon)
  installPackages()
  const results = values.node.map((version) => {
    const node = join(dir, `node-${version}`, 'bin', 'node')
    const env = { ...process.env, PATH: `${join(dir, `node-${version}`, 'bin')}:${process.env.PATH}` }
    return [version, run(join(dir, 'musl'), [node, join('scripts', 'test.mjs'), '--prebuilt', ...chosen], { env })]
  })
  console.log('\nskipped: cargo test (the engine is the same in both; its tests are linked with glibc)')
  for (const [version, status] of results) {
    console.log(`node ${version} with musl: ${status === 0 ? 'passed' : 'failed'}`)
  }
  if (results.some(([, status]) => status !== 0)) process.exitCode = 1
}

if (platform.platformName() === 'linux-x64-musl') must(process.execPath, [join('scripts', 'test.mjs'), ...chosen])
else if (platform.platformName() === 'linux-x64-gnu') testMusl()
else console.log('skipped: the tests with musl need Linux on x64')
