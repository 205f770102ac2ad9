// Where the numbers come from.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import os from 'node:os'
import { PEERS, peerManifest } from './install.mjs'

const MAGIC = { 0xef53: 'ext4', 0x01021994: 'tmpfs', 0x9123683e: 'btrfs', 0x58465342: 'xfs', 0x794c7630: 'overlayfs' }

/** The kind of file system that a directory is on. */
export function fileSystem(directory) {
  const { type } = statfsSync(directory)
  return MAGIC[type] ?? `0x${type.toString(16)}`
}

/** The processor time so far, and how much of it the host took for others, in ticks; if the system reports it. */
export function processorTime() {
  if (!existsSync('/proc/stat')) return undefined
  const [, ...ticks] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/ +/).map(Number)
  // Guest time is contained in user time.
  return { all: ticks.slice(0, 8).reduce((sum, each) => sum + each, 0), stolen: ticks[7] }
}

export function machine() {
  const version = (path) => JSON.parse(readFileSync(path, 'utf8')).version
  const installed = PEERS.map((name) => [name, peerManifest(name)]).filter(([, path]) => existsSync(path))
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    load: os.loadavg()[0],
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    rustc: execFileSync('rustc', ['--version'], { encoding: 'utf8' }).trim(),
    packages: {
      leasehold: version(new URL('../package.json', import.meta.url)),
      ...Object.fromEntries(installed.map(([name, path]) => [name, version(path)])),
    },
  }
}
