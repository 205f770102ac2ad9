// Installs the packages that leasehold is measured against into peers/, so the project does not depend on them.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm } from '../scripts/prepare.mjs'

const directory = fileURLToPath(new URL('peers', import.meta.url))
const { dependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))

export const PEERS = Object.keys(dependencies)
export const peerManifest = (name) => join(directory, 'node_modules', name, 'package.json')

const isThere = (name) => {
  const path = peerManifest(name)
  return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).version === dependencies[name]
}

/** Does nothing if all are there. The measures leave out a package that could not be installed. */
export function installPeers() {
  if (PEERS.every(isThere)) return
  // The versions are exact. A lock file would have to list packages for platforms that not every registry has.
  const args = ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  try {
    execFileSync(...npm(...args), { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] })
  } catch (error) {
    console.log(`The packages that leasehold is compared with could not be installed: ${error.message}`)
  }
}
