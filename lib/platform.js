'use strict'
// What this platform is called in the names of binaries and of the packages that carry them.

const { readFileSync } = require('node:fs')

/** Those that there are packages for. */
const SUPPORTED = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
]

/** Whether musl is among `maps`, by either of its names: one of them is a link, on Alpine the other than elsewhere. */
const isMusl = (maps) => /\/(ld-musl-[^/]*|libc\.so)$/m.test(maps)

/** What is mapped into this process. Node's own report tells, too, in ten milliseconds. */
function mapped() {
  try {
    return readFileSync('/proc/self/maps', 'latin1')
  } catch {
    // Without /proc: nothing here works better than the libc that most have.
    return ''
  }
}

function platformName() {
  const { platform, arch } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  return `linux-${arch}-${isMusl(mapped()) ? 'musl' : 'gnu'}`
}

module.exports = { SUPPORTED, isMusl, platformName }
