// The packages as they would be published: packed, checked by napi-rs, published to a registry on this machine, and
// installed into empty projects.
//
//   npm run test:packages                builds the addon for this machine first
//   npm run test:packages -- --prebuilt  uses the leasehold.*.node files that are here
//
// Each leasehold.*.node in this folder is packed. For a target that has none, a dummy file stands in, so that a whole
// release can be tried; what cannot be known without the binary is skipped.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { NAPI, TARGETS, binaryName, isBuilt } from '../__test__/packages/project.mjs'
import { build, installPackages, prepareJavaScript, root } from './prepare.mjs'

await prepareJavaScript()
if (!process.argv.includes('--prebuilt')) build()
installPackages(NAPI)
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
