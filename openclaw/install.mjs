// Installs what the suites against real OpenClaw packages need from npm into `target/openclaw`. The packages are large,
// so they stay there for the next time. Nothing outside of that directory is written.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from '../scripts/prepare.mjs'

export const VERSION = '2026.3.13'

/** Where everything is kept; it may be removed at any time. */
const cache = join(root, 'target', 'openclaw')

/** Where V8 keeps compiled code: compiling OpenClaw's megabytes takes seconds. */
export const compileCache = join(cache, 'compiled')
const downloads = join(cache, 'downloads')
const OLDEST_NODE = [22, 16]

/** A directory with what `manifest` asks for in its `node_modules`. */
function install(name, manifest, flags, say) {
  const directory = join(cache, name)
  const wanted = `${JSON.stringify({ private: true, ...manifest }, null, 2)}\n`
  const stamp = join(directory, 'installed.json')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return directory
  const what = Object.entries(manifest.dependencies).map((pair) => pair.join('@')).join(', ')
  say(`installing ${what} into ${directory}`)
  const began = performance.now()
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'package.json'), wanted)
  execFileSync(...npm('install', '--no-audit', '--no-fund', '--loglevel=error', ...flags), {
    cwd: directory,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, npm_config_cache: downloads },
  })
  rmSync(downloads, { recursive: true, force: true })
  // Written last and at once, so an installation that was interrupted starts anew.
  writeFileSync(`${stamp}.new`, wanted)
  renameSync(`${stamp}.new`, stamp)
  say(`installed in ${Math.round((performance.now() - began) / 1000)} s`)
  return directory
}

/** A `node` that OpenClaw supports: this one, or one from npm. */
export function suitableNode(say) {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return process.execPath
  const directory = install('node', { dependencies: { node: '24' } }, [], say)
  return join(directory, 'node_modules', 'node', 'bin', 'node')
}

/** The directory of the package `openclaw`. */
export function openclaw(say) {
  // Its install scripts build what no lock needs, and libsignal is a git dependency that not everybody can fetch.
  const manifest = { dependencies: { openclaw: VERSION }, overrides: { libsignal: 'npm:libsignal@2.0.1' } }
  return join(install(VERSION, manifest, ['--ignore-scripts'], say), 'node_modules', 'openclaw')
}
