// The name of this platform in the names of binaries and of the packages that carry them.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

/** The platforms that there are packages for. */
export const SUPPORTED = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
  'win32-arm64-msvc',
  'win32-x64-msvc',
]

/** The libc that a program needs: the `start` of its file names the loader that comes with it. */
export function libcNamed(start) {
  const [, loader] = /\/ld-(linux|musl)-[\w-]+\.so\.\d\0/.exec(start) ?? []
  return loader && (loader === 'musl' ? 'musl' : 'gnu')
}

/** The libc among `maps`. musl has two names there, one a link to the other; which is which differs on Alpine. */
export const libcMapped = (maps) => (/\/(ld-musl-[^/]*|libc\.so)$/m.test(maps) ? 'musl' : 'gnu')

/** The libc of this process. Node's own report has it, too, but takes ten milliseconds. */
function libc() {
  const named = libcNamed(orNothing(() => startOf('/proc/self/exe')))
  // If the loader was run by hand, or goes by another name, the file does not tell.
  return named ?? libcMapped(orNothing(() => readFileSync('/proc/self/maps', 'latin1')))
}

/** What `read` returns. Empty without /proc: then no guess is better than the libc that most have. */
function orNothing(read) {
  try {
    return read()
  } catch {
    return ''
  }
}

function startOf(file) {
  const bytes = Buffer.alloc(4096)
  const descriptor = openSync(file)
  try {
    readSync(descriptor, bytes)
  } finally {
    closeSync(descriptor)
  }
  return bytes.latin1Slice()
}

export function platformName() {
  const { platform, arch } = process
  if (platform === 'win32') return `win32-${arch}-msvc`
  if (platform !== 'linux') return `${platform}-${arch}`
  return `linux-${arch}-${libc()}`
}
