// A process that reads a lock file and its directory as fast as it can, by the rules of JavaScript peers.

import { child } from './child.mjs'
import { onLinux } from './platform.mjs'

const peerUrl = new URL('./javascript-lock.mjs', import.meta.url).href

const EXPECTED = onLinux ? '^file(\\.lock)?$' : '^file(\\.lock(\\..*\\.tmp)?)?$'

/** How often the lock file must be seen for `enough`. */
const ENOUGH = 100

/**
 * Starts watching the lock file of `path`. `enough()` resolves once it was seen many times. `stop()` resolves to
 * `{ looks, seen, wrong }`: how often it looked, how often the lock file was there, and what was wrong with it. Files
 * whose name `allowed` (the source of a regular expression) matches may be in the directory; any other is wrong. Where
 * there are no unnamed files, private names are seen.
 */
export async function watcher(t, path, { allowed = EXPECTED } = {}) {
  const watching = child(t, watch, { args: { peerUrl, path, allowed, many: ENOUGH } })
  await watching.next('ready')
  const stop = async () => {
    watching.send({ stop: true })
    return watching.next('looks')
  }
  return { ...watching, enough: () => watching.next('enough'), stop }
}

async function watch({ send, next, args: { peerUrl, path, allowed, many } }) {
  const { closeSync, fstatSync, openSync, readdirSync, readFileSync } = await import('node:fs')
  const { dirname } = await import('node:path')
  const { staleReasons } = await import(peerUrl)
  const lockPath = `${path}.lock`
  const expected = new RegExp(allowed)
  const wrong = new Set()
  let stopped = false
  let looks = 0
  let seen = 0

  function look() {
    looks += 1
    let file
    try {
      file = openSync(lockPath, 'r')
    } catch (error) {
      if (error.code !== 'ENOENT') wrong.add(error.message)
      return
    }
    const text = readFileSync(file, 'utf8')
    const { mode, mtimeMs } = fstatSync(file)
    closeSync(file)
    seen += 1
    if (seen === many) send({ enough: true })
    if (process.platform !== 'win32' && (mode & 0o777) !== 0o600) wrong.add(`mode ${mode.toString(8)}`)
    try {
      const { pid, createdAt, starttime } = JSON.parse(text)
      if (!(pid > 0 && starttime > 0 && new Date(createdAt).toISOString() === createdAt)) wrong.add(text)
    } catch {
      wrong.add(`not JSON: ${JSON.stringify(text)}`)
    }
    for (const flavour of ['file', 'session']) {
      const reasons = staleReasons(flavour, text, mtimeMs, 30_000)
      if (reasons.length > 0) wrong.add(`stale (${reasons}): ${text}`)
    }
  }

  send({ ready: true })
  void next('stop').then(() => (stopped = true))
  while (!stopped) {
    for (let round = 0; round < 200; round += 1) look()
    for (const name of readdirSync(dirname(path))) if (!expected.test(name)) wrong.add(`stray file ${name}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  send({ looks, seen, wrong: [...wrong] })
}
