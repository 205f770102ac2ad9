// The processes of a fleet: started, instructed, killed and replaced.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const memberFile = fileURLToPath(new URL('member.mjs', import.meta.url))

/** Microseconds of the clock in the members' logs. */
export const now = () => Number(process.hrtime.bigint() / 1000n)

/**
 * Runs `scene(crew)` with a crew for locks of `kind` on `count` fresh files, and ends every process whatever happens.
 * `nodes` says which `node` either side runs. `packageDirectory` is where the package `openclaw` is, for the kinds that
 * need it, and `compileCache` where V8 keeps its compiled code.
 */
export async function withCrew({ kind, count = 2, stale = 10_000, nodes = {}, packageDirectory, compileCache }, scene) {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-fleet-'))
  const files = Array.from({ length: count }, (_, index) => join(directory, `counter-${index}`))
  for (const file of files) writeFileSync(file, '0'.padStart(12))
  const members = []
  let failed
  const killAll = () => {
    for (const { child } of members) child.kill('SIGKILL')
  }
  const end = () => {
    killAll()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }
  process.on('exit', end)

  /** Starts a member of `side`; resolves once it works. */
  async function start(side) {
    const log = join(directory, `member-${members.length}.log`)
    const args = [JSON.stringify({ kind, side, files, log, stale, packageDirectory })]
    const { NODE_TEST_CONTEXT, ...inherited } = process.env
    const env = { ...inherited, HOME: directory, ...(compileCache && { NODE_COMPILE_CACHE: compileCache }) }
    const execPath = nodes[side] ?? process.execPath
    const child = fork(memberFile, args, { execPath, env, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    const member = { side, log, child, killed: undefined }
    members.push(member)
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text) => (complaint += text))
    member.ended = new Promise((resolve) => child.once('close', (code) => resolve((member.code = code))))
    void member.ended.then((code) => {
      if (code !== 0 && member.killed === undefined) failed ??= new Error(`a ${side} ended with ${code}:\n${complaint}`)
    })
    await message(member, 'ready')
    return member
  }

  /** The content of the next message of `member` that has a `name`. */
  async function message(member, name) {
    const ended = member.ended.then(() => {
      throw failed ?? new Error(`a ${member.side} ended instead of saying "${name}"`)
    })
    ended.catch(() => {})
    for (;;) {
      const [said] = await Promise.race([once(member.child, 'message'), ended])
      if (name in said) return said[name]
    }
  }

  /** Has `member` hold the next lock it gets for ever. Resolves once it does. */
  async function hang(member) {
    const hung = message(member, 'hangs')
    member.child.send({ hang: true })
    member.hung = await hung
  }

  async function kill(member) {
    member.killed = now()
    member.child.kill('SIGKILL')
    await member.ended
  }

  /** Has all members finish what they do, then leave. */
  async function dismiss() {
    const living = members.filter(({ killed }) => killed === undefined)
    const stopped = living.map((member) => message(member, 'stopped'))
    for (const { child } of living) child.send({ stop: true })
    await Promise.all(stopped)
    for (const { child } of living) child.send({ leave: true })
    await Promise.all(members.map(({ ended }) => ended))
  }

  try {
    const crew = { directory, files, members, start, hang, kill, dismiss }
    const result = await scene(crew)
    if (failed) throw failed
    return result
  } finally {
    killAll()
    await Promise.all(members.map(({ ended }) => ended))
    process.off('exit', end)
    end()
  }
}
