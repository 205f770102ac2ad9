// The packages as they would be published: packed, checked by napi-rs, published to a registry on this machine, and
// installed into empty projects.
//
//   npm run test:packages                builds the addon for this machine first
//   npm run test:packages -- --prebuilt  uses the leasehold.*.node files that are here
//
// Each leasehold.*.node in this folder is packed. For a target that has none, a dummy file stands in, so that a whole
// release can be tried; what cannot be known without the binary is skipped.

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { NAPI, TARGETS, binaryName, isBuilt, manifest } from '../__test__/packages/project.mjs'
import { build, prepareJavaScript, root } from './prepare.mjs'

/** Installs the command line of napi-rs that package.json publishes with, unless it is there. */
function installNapi() {
  const [, version] = /@napi-rs\/cli@([\d.]+)/.exec(manifest.scripts.napi)
  const installed = join(NAPI, 'node_modules', '@napi-rs', 'cli', 'package.json')
  if (existsSync(installed) && JSON.parse(readFileSync(installed, 'utf8')).version === version) return
  mkdirSync(NAPI, { recursive: true })
  const windows = process.platform === 'win32'
  const args = ['install', '--prefix', NAPI, `@napi-rs/cli@${version}`, '--no-audit', '--no-fund', '--loglevel=error']
  execFileSync(windows ? 'npm.cmd' : 'npm', args, { cwd: NAPI, stdio: 'inherit', shell: windows })
}

await prepareJavaScript()
if (!process.argv.includes('--prebuilt')) build()
installNapi()
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-reporter=spec', join('__test__', 'packages', 'packages.test.mjs')],
  { cwd: root, stdio: 'inherit' },
)
console.log('\nbinaries in the packages:')
for (const [name, target] of TARGETS) {
  const what = isBuilt(name) ? binaryName(name) : 'not built here: a dummy file stood in for it, and was not loaded'
  console.log(`  ${target}: ${what}`)
}
process.exitCode = status ?? 1
