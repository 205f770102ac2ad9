// All the locks behind one function: `acquire(path, options)` resolves to `{ token?, recoveredFrom?, release() }`.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm } from '../../scripts/prepare.mjs'
import { optionsWith } from '../support/fs-safe.mjs'

const PATIENCE = 60_000
const require = createRequire(import.meta.url)
const cache = fileURLToPath(new URL('../../.cache/torture', import.meta.url))
const FS_SAFE = { name: '@openclaw/fs-safe', version: '0.18.1' }

/** Installs fs-safe, which is compared with but no dependency of the project. It needs Node 22 or newer. */
export function installFsSafe() {
  const manifest = join(cache, 'node_modules', FS_SAFE.name, 'package.json')
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === FS_SAFE.version) return
  const wanted = `${FS_SAFE.name}@${FS_SAFE.version}`
  execFileSync(...npm('install', '--prefix', cache, '--no-audit', '--no-fund', '--loglevel=error', wanted), {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

const leasehold = () => require('../../index.js')

export const CONTESTANTS = {
  leasehold: async () => (path, options) => leasehold().acquireFileLock(path, { timeoutMs: PATIENCE, ...options }),
  'leasehold sync': async () => (path, options) =>
    leasehold().acquireFileLockSync(path, { timeoutMs: PATIENCE, ...options }),
  'proper-lockfile': async () => {
    const { lock } = require('proper-lockfile')
    const retries = { forever: true, retries: 1, factor: 1, minTimeout: 1, maxTimeout: 5 }
    return async (path) => ({ release: await lock(path, { realpath: false, stale: 10_000, retries }) })
  },
  'fs-safe': async () => {
    const resolved = createRequire(join(cache, 'package.json')).resolve(`${FS_SAFE.name}/file-lock`)
    const { acquireFileLock } = await import(resolved)
    const options = optionsWith({ minTimeout: 1, maxTimeout: 5 })
    return (path) => acquireFileLock(path, options)
  },
  'plain O_EXCL': async () => {
    const { acquire } = await import('../support/javascript-lock.mjs')
    return (path) => acquire(path, { gapMs: 1, timeoutMs: PATIENCE })
  },
}
