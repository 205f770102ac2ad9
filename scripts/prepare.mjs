// Builds the addon where it is missing or out of date, and installs development packages when asked.
//
//   node scripts/prepare.mjs             build only: needs Rust and Node, no npm package
//   node scripts/prepare.mjs --packages  npm packages too

import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import platform from '../lib/platform.js'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

const LIBRARY = { win32: 'leasehold.dll', darwin: 'libleasehold.dylib' }[process.platform] ?? 'libleasehold.so'

/** Builds the addon with cargo, which knows what is out of date, and puts it where `lib/addon.js` looks. */
export function build() {
  if (spawnSync('cargo', ['--version']).error) {
    throw new Error('cargo was not found: install Rust 1.95 or newer (https://rustup.rs), then run this again')
  }
  execFileSync('cargo', ['build', '--release', '--lib', '--locked', '--quiet'], { cwd: root, stdio: 'inherit' })
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const built = join(target, 'release', LIBRARY)
  const addon = join(root, `leasehold.${platform.platformName()}.node`)
  if (!existsSync(addon) || !readFileSync(built).equals(readFileSync(addon))) {
    // Never written over: a running process has the old one mapped.
    copyFileSync(built, `${addon}.new`)
    renameSync(`${addon}.new`, addon)
  }
}

/** Installs the development packages of package-lock.json, unless they are there. */
export function installPackages() {
  const wanted = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const stamp = join(root, 'node_modules', '.package-lock.json')
  const { packages } = JSON.parse(wanted)
  const present = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')).packages : {}
  const complete = Object.entries(packages).every(
    ([name, { version, optional }]) =>
      name === '' || optional || (present[name]?.version === version && existsSync(join(root, name))),
  )
  if (complete) return
  const windows = process.platform === 'win32'
  execFileSync(windows ? 'npm.cmd' : 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
    shell: windows,
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes('--packages')) installPackages()
  build()
}
