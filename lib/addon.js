'use strict'
// The native part. Where it is missing, the generated loader blames npm and lists every name it tried; what the reader
// needs is the one package that is missing, and where else its contents can be had.

const { SUPPORTED, platformName } = require('./platform.js')
const { name, version } = require('../package.json')

const FROM_SOURCE =
  `build it from source: run \`node scripts/prepare.mjs\` in a clone of ${name}'s repository (needs Rust 1.95 or ` +
  'newer), and `npm install` that folder, or set NAPI_RS_NATIVE_LIBRARY_PATH to the .node file it makes'

/** Why a binary that is there was refused: the loader keeps that among the names it did not find. */
function refusal(error) {
  for (let each = error?.cause; each; each = each.cause) {
    if (!/^(Cannot find module|Unsupported )/.test(each.message)) return each.message
  }
}

function explain(error) {
  const platform = platformName()
  const wanted = `${name}-${platform}`
  const refused = refusal(error)
  if (refused) return `the binary of ${wanted} is there and cannot be loaded: ${refused}\n- You can ${FROM_SOURCE}.`
  if (!SUPPORTED.includes(platform)) return `no package has a binary for ${platform}.\n- You can ${FROM_SOURCE}.`
  return [
    `the package with its binary for this platform, ${wanted}@${version}, is not installed.`,
    `- Install it by name: npm install ${wanted}@${version}`,
    '- npm leaves it out with --omit=optional, and often when package-lock.json or node_modules come from another ' +
      'platform: then delete both and install again.',
    `- Or ${FROM_SOURCE}.`,
  ].join('\n')
}

function load() {
  try {
    return require('../binding.js')
  } catch (cause) {
    const error = new Error(`${name} cannot load its native addon: ${explain(cause)}`, { cause })
    throw Object.assign(error, { code: 'addon_unavailable' })
  }
}

module.exports = load()
