// The native part: beside index.js where it was built, in a package of its own where it was installed.

import { existsSync } from 'node:fs'
import { join, toNamespacedPath } from 'node:path'
import { SUPPORTED, platformName } from './platform.mjs'

function load() {
  const named = process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  const platform = platformName()
  try {
    if (named) return requireNamed(named)
    const path = pathOf(platform)
    return path ? open(path) : require(`leasehold-${platform}`)
  } catch (cause) {
    const error = new Error(`leasehold cannot load its native addon: ${explain(cause, platform, named)}`, { cause })
    throw Object.assign(error, { code: 'addon_unavailable' })
  }
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
  const { name, version } = require('./package.json')
  const fromSource =
    `build it from source: run \`node scripts/prepare.mjs\` in a clone of ${name}'s repository (needs Rust 1.95 or ` +
    'newer), and `npm install` that folder, or set NAPI_RS_NATIVE_LIBRARY_PATH to the .node file it makes'
  if (named) {
    const problem = `${named}, which NAPI_RS_NATIVE_LIBRARY_PATH names, cannot be loaded: ${cause?.message}`
    return `${problem}\n- Unset that variable, or ${fromSource}.`
  }
  const wanted = `${name}-${platform}`
  if (cause?.code !== 'MODULE_NOT_FOUND') {
    return `the binary of ${wanted} was found but cannot be loaded: ${cause?.message}\n- You can ${fromSource}.`
  }
  if (!SUPPORTED.includes(platform)) return `no package has a binary for ${platform}.\n- You can ${fromSource}.`
  return [
    `the package with its binary for this platform, ${wanted}@${version}, is not installed.`,
    `- Install it by name: npm install ${wanted}@${version}`,
    '- npm leaves it out with --omit=optional, and often when package-lock.json or node_modules come from another ' +
      'platform: then delete both and install again.',
    `- Or ${fromSource}.`,
  ].join('\n')
}

export default load()
