// Checks the engine and the addon for macOS with the compiler and clippy, warnings denied. Nothing is linked or run:
// that takes macOS.
//
//   npm run check:macos    builds Rust's std for macOS on Debian, where rustup has not installed it (3 minutes)
//
// LEASEHOLD_RUST_DIR is where that is put (~/.cache/leasehold/rust).

import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { must, root, target } from './prepare.mjs'

const TARGET = 'aarch64-apple-darwin'
const dir = process.env.LEASEHOLD_RUST_DIR ?? join(homedir(), '.cache', 'leasehold', 'rust')

const found = spawnSync('bash', [join('scripts', 'cross', 'toolchain.sh'), dir, TARGET], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit'],
  encoding: 'utf8',
})
if (found.error) throw found.error
if (found.status !== 0) process.exit(found.status ?? 1)
const toolchain = found.stdout.trim()
// In a folder of its own: cargo takes toolchains of one version to be the same, and cannot use what another has built.
const folder = join(target, 'macos', basename(toolchain))
const options = ['--locked', '--workspace', '--all-targets', '--target', TARGET, '--target-dir', folder]
must('cargo', ['clippy', ...options, '--', '--deny', 'warnings'], {
  env: {
    ...process.env,
    PATH: `${join(toolchain, 'bin')}:${process.env.PATH}`,
    RUSTC: join(toolchain, 'bin', 'rustc'),
  },
})
console.log(`checked for ${TARGET}: all crates and their tests; skipped: linking and running, which need macOS`)
