// All tests for Windows: on Windows itself those of `npm test`, on Debian the same under wine, with node.exe 22 and 24.
//
//   npm run test:windows                 installs what is missing (root, 3 GB, 4 minutes the first time)
//   npm run test:windows -- fifo stale   the suites with such a name, nothing else
//   npm run test:windows -- --node 24    one version of Node only
//
// LEASEHOLD_WINDOWS_DIR is where wine and the rest are put (~/.cache/leasehold/windows). CARGO_PROFILE names a cargo
// profile for the addon ("release").

import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, renameSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { installPackages, root } from './prepare.mjs'

const TARGET = 'x86_64-pc-windows-gnu'
const { values, positionals: chosen } = parseArgs({
  allowPositionals: true,
  options: { node: { type: 'string', multiple: true, default: ['22', '24'] } },
})
const dir = resolve(process.env.LEASEHOLD_WINDOWS_DIR ?? join(homedir(), '.cache', 'leasehold', 'windows'))

const MODELS = 'cargo test model: it computes, the same everywhere, and takes more than ten minutes under wine'

/** `[suite, why it is not run]` */
const LEFT_OUT = {
  demo: 'it measures, and wine is too slow for its figures',
  'types-match-exports': 'it compiles TypeScript, which is the same everywhere',
}

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** Runs a command with the environment that setup.sh wrote. */
function runWithin(command, options) {
  run('bash', ['-c', `. "${dir}/env.sh" && ${command}`], options)
}

/** Runs one suite; prints and returns what came of it. */
function runSuite(version, name) {
  const args = ['--test', '--test-reporter=tap', '--test-timeout=300000', join('__test__', `${name}.test.mjs`)]
  const env = {
    ...process.env,
    // For the children, too, wherever they start.
    NODE_OPTIONS: `--import=file:///Z:${encodeURI(root)}/scripts/windows/posix-names.mjs`,
    LEASEHOLD_TEST_PATIENCE: process.env.LEASEHOLD_TEST_PATIENCE ?? '4',
    // The one that is installed is for Linux.
    ESBUILD_BINARY_PATH: `Z:${dir}/esbuild/esbuild.exe`,
  }
  const began = performance.now()
  const { stdout } = spawnSync(join(dir, 'wine'), [join(dir, `node-${version}`, 'node.exe'), ...args], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout: 900_000,
  })
  const lines = stdout.split('\n')
  const number = (what) => Number(lines.findLast((line) => line.startsWith(`# ${what} `))?.split(' ').at(-1) ?? NaN)
  const skips = lines.map((line) => /^\s*ok \d+ - (.*?) # SKIP ?(.*)/.exec(line)).filter(Boolean)
  const result = { passed: number('pass'), failed: number('fail') + number('cancelled'), skipped: skips.length }
  result.broken = !(result.failed === 0)
  const seconds = Math.round((performance.now() - began) / 1000)
  const { passed, failed, skipped } = result
  console.log(`node ${version}  ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped  (${seconds} s)`)
  result.reasons = skips.map(([, test, reason]) => `${name}: ${test}: ${reason || 'no reason given'}`)
  if (result.broken) console.log(stdout)
  return result
}

function testUnderWine() {
  installPackages()
  run('bash', [join('scripts', 'windows', 'setup.sh'), dir])
  if (chosen.length === 0) runWithin(`cargo test --locked --target ${TARGET} -- --skip model::`)
  const profile = process.env.CARGO_PROFILE ?? 'release'
  runWithin(`cargo build --lib --locked --profile ${profile} --target ${TARGET}`)
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const built = join(target, TARGET, profile === 'dev' ? 'debug' : profile)
  const addon = join(root, 'leasehold.win32-x64-msvc.node') // the name that is asked for on Windows
  copyFileSync(join(built, 'leasehold.dll'), `${addon}.new`)
  renameSync(`${addon}.new`, addon)

  const suites = readdirSync(join(root, '__test__'))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => name.slice(0, -'.test.mjs'.length))
    .filter((name) => chosen.length === 0 || chosen.some((part) => name.includes(part)))
  const left = suites.filter((name) => LEFT_OUT[name] !== undefined)
  // One at a time: wine is slow, and its processes get in each other's way.
  const results = values.node.map((version) => [
    version,
    suites.filter((name) => !left.includes(name)).map((name) => runSuite(version, name)),
  ])
  const reasons = new Set([
    ...(chosen.length === 0 ? [MODELS] : []),
    ...left.map((name) => `${name}: ${LEFT_OUT[name]}`),
    ...results.flatMap(([, all]) => all.flatMap(({ reasons }) => reasons)),
  ])
  if (reasons.size > 0) console.log(`\nskipped, and why:\n  ${[...reasons].join('\n  ')}`)
  console.log()
  for (const [version, all] of results) {
    const sum = (what) => all.reduce((total, result) => total + (result[what] || 0), 0)
    const broken = all.filter((result) => result.broken).length
    console.log(
      `node ${version} under wine: ${all.length} suites (${broken} failed), ` +
        `${sum('passed')} tests passed, ${sum('failed')} failed, ${sum('skipped')} skipped`,
    )
  }
  if (results.some(([, all]) => all.some(({ broken }) => broken))) process.exitCode = 1
}

if (process.platform === 'win32') run(process.execPath, [join('scripts', 'test.mjs'), ...chosen])
else if (process.platform === 'linux') testUnderWine()
else console.log('skipped: the tests for Windows need Windows, or Debian 12 with root rights for wine')
