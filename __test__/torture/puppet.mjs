// The strings of a puppet (puppet.rs): a process that has the engine and nothing else, and does what it is told.

import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from '../support/after.mjs'
import { Inbox } from '../support/inbox.mjs'
import { root, target } from '../../scripts/prepare.mjs'

let built
/** Builds it, as `cargo test` does anyway; returns why it cannot, if there is no Rust. */
export function buildPuppet() {
  const args = ['build', '--locked', '--quiet', '--example', 'puppet']
  try {
    built ??= execFileSync('cargo', args, { cwd: root, stdio: 'inherit' }) ?? true
    return undefined
  } catch (error) {
    if (error.code === 'ENOENT') return 'the puppet is built with Rust, which was not found'
    throw error
  }
}

/** An order that takes longer than this is stuck. */
const STUCK = 20_000

/**
 * Starts a puppet. `tell(order)` resolves to its answer, or, if there is none, to `{ stuck: true }` from then on;
 * `event(name)` to the next event of that name; `exit` to how it ended.
 */
export function puppet(scope) {
  const process = spawn(join(target, 'debug', 'examples', 'puppet'), { stdio: ['pipe', 'pipe', 'inherit'] })
  const inbox = new Inbox()
  process.stdin.on('error', () => {}) // it was killed: those who wait for an answer are told
  createInterface({ input: process.stdout }).on('line', (line) => inbox.push(JSON.parse(line)))
  const exit = new Promise((resolve) =>
    process.once('close', (code, signal) => {
      inbox.close(() => new Error(`the puppet ended: ${signal ?? code}`))
      resolve(signal ?? code)
    }),
  )
  const kill = (signal = 'SIGKILL') => process.kill(signal)
  after(scope, async () => {
    kill()
    await exit
  })
  let stuck = false
  const answer = (wanted) =>
    inbox.next(wanted, { timeoutMs: STUCK }).catch((error) => {
      if (/ended/.test(error.message)) throw error
      stuck = true
      return { stuck }
    })
  return {
    pid: process.pid,
    exit,
    kill,
    async tell(order) {
      if (stuck) return { stuck }
      process.stdin.write(`${JSON.stringify(order)}\n`)
      return answer((message) => !('event' in message))
    },
    event: (name) => answer((message) => message.event === name),
  }
}

/**
 * A puppet that has done everything once in `directory`, so that nothing is a first time any more: its threads run,
 * and it knows the directory and what the kernel can do.
 */
export async function seasoned(scope, directory) {
  const one = puppet(scope)
  const path = join(directory, `warm-up-${one.pid}`)
  await one.tell({ do: 'acquire', name: 'first', terms: { path, leaseMs: 200 } })
  await one.tell({ do: 'request', name: 'second', terms: { path } })
  await one.tell({ do: 'release', name: 'first' })
  await one.event('settled')
  await one.tell({ do: 'release', name: 'second' })
  return one
}
