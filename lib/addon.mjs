// The native part: beside index.js where it was built, in a package of its own where it was installed. `$version` comes
// from scripts/bundle.mjs.

import { existsSync } from 'node:fs'
import { join, toNamespacedPath } from 'node:path'
import { SUPPORTED, platformName } from './platform.mjs'

function load() {
  const named = process.env.LEASEHOLD_NATIVE_LIBRARY_PATH
  const platform = platformName()
  try {
    return ofThisVersion(named ? requireNamed(named) : found(platform))
  } catch (cause) {
    const error = new Error(`leasehold cannot load its native addon: ${explain(cause, platform, named)}`, { cause })
    throw Object.assign(error, { code: 'addon_unavailable' })
  }
}

function found(platform) {
  const path = pathOf(platform)
  return path ? open(path) : require(`leasehold-${platform}`)
}

/** `native`, unless it is of another version: its functions might do something else. */
function ofThisVersion(native) {
  if (native.VERSION === $version) return native
  throw new Error(`its version is ${native.VERSION}, but index.js has version ${$version}`)
}

/** The usual path of the binary; none if Node has to look for it. */
function pathOf(platform) {
  const file = `leasehold.${platform}.node`
  const built = join(__dirname, file)
  if (existsSync(built)) return built
  // A `node_modules` of our own comes first, as it does for Node.
  if (existsSync(join(__dirname, 'node_modules'))) return undefined
  const installed = join(__dirname, '..', `leasehold-${platform}`, file)
  return existsSync(installed) ? installed : undefined
}

/** What the binary at `path` exports. `require` would take twice as long, because of its search and its cache. */
function open(path) {
  const module = { exports: {} }
  process.dlopen(module, toNamespacedPath(path))
  return module.exports
}

function requireNamed(path) {
  // Node would run anything else as a program.
  if (!path.endsWith('.node')) throw new Error('its name does not end in .node')
  return require(path)
}

function explain(cause, platform, named) {
  const fromSource =
    "build it from source: run `node scripts/prepare.mjs` in a clone of leasehold's repository (needs Rust 1.95 or " +
    'newer), and `npm install` that folder, or set LEASEHOLD_NATIVE_LIBRARY_PATH to the .node file it makes'
  if (named) {
    const problem = `${named}, which LEASEHOLD_NATIVE_LIBRARY_PATH names, cannot be loaded: ${cause?.message}`
    return `${problem}\n- Unset that variable, or ${fromSource}.`
  }
  const wanted = `leasehold-${platform}`
  const supported = SUPPORTED.includes(platform)
  const byName = `- Install it by name: npm install ${wanted}@${$version}`
  const remedies = supported ? `${byName}\n- Or ${fromSource}.` : `- You can ${fromSource}.`
  if (cause?.code !== 'MODULE_NOT_FOUND') {
    return `the binary of ${wanted} was found but cannot be loaded: ${cause?.message}\n${remedies}`
  }
  if (!supported) return `no package has a binary for ${platform}.\n${remedies}`
  return [
    `the package with its binary for this platform, ${wanted}@${$version}, is not installed.`,
    '- npm leaves it out with --omit=optional, and often when package-lock.json or node_modules come from another ' +
      'platform: then delete both and install again.',
    remedies,
  ].join('\n')
}

export default load()
