// Child processes: a real `node` with an inline script, talking in JSON lines.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { after } from './after.mjs'
import { forgetFaketime } from './faketime.mjs'
import { Inbox } from './inbox.mjs'

const inChild = new URL('./in-child.mjs', import.meta.url).href

/**
 * Starts `node` with `source`: a function, called in the child with `{ leasehold, addonUrl, send, next, begin,
 * args }` (in-child.mjs says what they are; it sees nothing else of its surroundings), or the text of an ES module,
 * which finds the same under `globalThis.test`.
 *
 * - `send(message)`: to the child's `next()`
 * - `next(predicate?, { timeoutMs }?)`: a message from the child's `send()`; rejects when the child has ended
 * - `exit`: promise of `{ code, signal, stderr, stdout }`, once all its output was read; it never rejects
 * - `kill(signal)`: SIGKILL by default; the child is killed after the test anyway
 */
export function child(t, source, { args, nodeArgs = [], env = {}, cwd } = {}) {
  const text = typeof source === 'function' ? `await (${source})(globalThis.test)` : source
  const { NODE_TEST_CONTEXT, ...inherited } = process.env
  const node = spawn(
    process.execPath,
    [...nodeArgs, '--import', inChild, '--input-type=module', '--eval', text, '--', JSON.stringify(args ?? null)],
    { cwd, env: { ...inherited, ...env }, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  const inbox = new Inbox()
  let stderr = ''
  let stdout = ''
  node.stderr.setEncoding('utf8').on('data', (chunk) => (stderr += chunk))
  node.stdin.on('error', () => {}) // it ended: those who wait for an answer are told
  const lines = createInterface({ input: node.stdout })
  lines.on('line', (line) => {
    if (line.startsWith('\u0001')) inbox.push(JSON.parse(line.slice(1)))
    else stdout += `${line}\n`
  })
  const read = new Promise((resolve) => lines.once('close', resolve))
  const exit = new Promise((resolve) => {
    node.once('close', async (code, signal) => {
      await read
      inbox.close(() => new Error(`child ended (${signal ?? code}):\n${stderr}${stdout}`))
      resolve({ code, signal, stderr, stdout })
    })
  })
  const self = {
    pid: node.pid,
    process: node,
    exit,
    send: (message) => node.stdin.write(`${JSON.stringify(message)}\n`),
    next: (predicate, options) => inbox.next(predicate, options),
    drain: () => inbox.drain(),
    kill: (signal = 'SIGKILL') => node.kill(signal),
  }
  after(t, async () => {
    node.kill('SIGKILL')
    await exit
    forgetFaketime(node.pid, env)
  })
  return self
}

/**
 * A child that holds the lock of `path` until it is told to release it, is killed, or the test ends.
 * `options` are those of acquireFileLock; with `session: true`, those of acquireSessionWriteLock.
 * Resolves when it has the lock, to the child with `lockPath`, `token` (a bigint) and `release()`.
 */
export async function holder(t, path, { session = false, nodeArgs, env, ...options } = {}) {
  const held = child(
    t,
    async ({ leasehold, send, next, args: { path, session, options } }) => {
      const lock = session
        ? await leasehold.acquireSessionWriteLock({ sessionFile: path, ...options })
        : await leasehold.acquireFileLock(path, options)
      send({ held: true, lockPath: lock.lockPath, token: String(lock.token) })
      await next('release')
      await lock.release()
      send({ released: true })
    },
    { args: { path, session, options }, nodeArgs, env },
  )
  const { lockPath, token } = await held.next('held')
  const release = async () => {
    held.send({ release: true })
    await held.next('released')
  }
  return { ...held, lockPath, token: BigInt(token), release }
}
