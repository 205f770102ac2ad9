// Makes whatever the package needs that is missing or out of date: development packages, index.js, the addon.

import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { platformName } from '../lib/platform.mjs'
import { bundle } from './bundle.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Where cargo builds: it is told so, or its own settings might name another folder. */
export const target = resolve(root, process.env.CARGO_TARGET_DIR ?? 'target')
process.env.CARGO_TARGET_DIR = target

const LIBRARY = { win32: 'leasehold.dll', darwin: 'libleasehold.dylib' }[process.platform] ?? 'libleasehold.so'

/** Runs a program that prints for itself; if its status is not 0, exits with that. */
export function must(command, args, options) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

/** Runs a command of bash with the environment that a setup.sh wrote into `directory`. */
export const mustWithin = (directory, command) => must('bash', ['-c', `. "${directory}/env.sh" && ${command}`])

/** Puts what cargo built for the platform `name` where `lib/addon.mjs` looks, unless it is there already. */
export function place(built, name) {
  const addon = join(root, `leasehold.${name}.node`)
  if (existsSync(addon) && readFileSync(built).equals(readFileSync(addon))) return
  // Replaced, never overwritten: a running process may have the old one mapped.
  copyFileSync(built, `${addon}.new`)
  renameSync(`${addon}.new`, addon)
}

/** Builds the addon with cargo, which knows what is out of date. */
export function build() {
  if (spawnSync('cargo', ['--version']).error) {
    throw new Error('cargo was not found: install Rust 1.95 or newer (https://rustup.rs), then run this again')
  }
  must('cargo', ['build', '--package', 'leasehold-addon', '--profile', 'addon', '--locked', '--quiet'])
  place(join(target, 'addon', LIBRARY), platformName())
}

/** How to start npm: `[program, arguments]`. On Windows only a shell runs npm.cmd, and it splits paths at spaces. */
export function npm(...args) {
  if (process.platform !== 'win32') return ['npm', args]
  return [process.execPath, [join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js'), ...args]]
}

/** Everything that does not need Rust: the development packages, and index.js, which is made with them. */
export async function prepareJavaScript() {
  installPackages(root)
  await bundle()
}

/** Installs the packages of the package-lock.json in `directory`, unless they are there. */
export function installPackages(directory) {
  const wanted = readFileSync(join(directory, 'package-lock.json'), 'utf8')
  const stamp = join(directory, 'node_modules', '.package-lock.json')
  const { packages } = JSON.parse(wanted)
  const present = existsSync(stamp) ? JSON.parse(readFileSync(stamp, 'utf8')).packages : {}
  const complete = Object.entries(packages).every(
    ([name, { version, optional }]) =>
      name === '' || optional || (present[name]?.version === version && existsSync(join(directory, name))),
  )
  if (complete) return
  must(...npm('ci', '--no-audit', '--no-fund', '--loglevel=error'), { cwd: directory })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await prepareJavaScript()
  build()
}
