// The engine and the addon as they are built for macOS, checked by the compiler and by clippy, warnings denied. Nothing
// is linked or run, except on macOS itself.
//
//   npm run check:macos    builds Rust's std for macOS on Debian, where rustup has not installed it (3 minutes)
//
// LEASEHOLD_RUST_DIR is where that is put (~/.cache/leasehold/rust).

import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { root } from './prepare.mjs'

const TARGET = 'aarch64-apple-darwin'
const dir = process.env.LEASEHOLD_RUST_DIR ?? join(homedir(), '.cache', 'leasehold', 'rust')
const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')

function run(command, args, options) {
  const { status, error, stdout } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    ...options,
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
  return stdout?.trim()
}

const toolchain = run('bash', [join('scripts', 'cross', 'toolchain.sh'), dir, TARGET])
// In a folder of its own: another toolchain would build everything there anew, too.
const options = ['--locked', '--all-targets', '--target', TARGET, '--target-dir', join(target, 'macos')]
run('cargo', ['clippy', ...options, '--', '--deny', 'warnings'], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${join(toolchain, 'bin')}:${process.env.PATH}`,
    RUSTC: join(toolchain, 'bin', 'rustc'),
  },
})
console.log(`checked for ${TARGET}: crate, tests included; skipped: linking and running, which need macOS`)
