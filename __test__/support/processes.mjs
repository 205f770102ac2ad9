// Processes that a lock record may name: dead ones, zombies, and live ones with their start time.

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { after } from './after.mjs'
import { noProc, onWindows } from './platform.mjs'

function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** What ps tells about `pid`; throws when there is no such process. */
function ps(pid, what) {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  return execFileSync('ps', ['-o', `${what}=`, '-p', `${pid}`], options).trim()
}

/**
 * When `pid` started, in clock ticks since boot: field 22 of its stat. `undefined` without /proc, where JavaScript
 * peers leave it out of their records.
 */
export function startTime(pid = process.pid) {
  return noProc ? undefined : Number(stat(pid)[19])
}

/** `R`, `S`, `T` (stopped), `Z` (zombie) …, or `undefined` when there is no such process. */
export function stateOf(pid) {
  try {
    return noProc ? ps(pid, 'state')[0] : stat(pid)[0]
  } catch {
    return undefined
  }
}

function programOf(pid) {
  return noProc ? basename(ps(pid, 'comm')) : readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
}

export function threadsOf(pid) {
  return Number(/^Threads:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
}

/** The pid of a process that has ended and was reaped. */
export function deadPid() {
  return spawnSync(process.execPath, ['--version']).pid
}

/** A process that ended and whose parent never asks for its exit status. */
export async function zombie(t) {
  // `cat` must not end before its parent is `sleep`, which never asks, instead of the shell, which would.
  const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 86400'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  after(t, () => void parent.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  while (programOf(parent.pid) !== 'sleep') await setTimeout(1)
  parent.stdio[3].end()
  while (stateOf(line) !== 'Z') await setTimeout(1)
  return Number(line)
}

/** A live process that has nothing to do with locks. */
export function bystander(t) {
  const inNode = [process.execPath, '--eval', 'setInterval(() => {}, 600_000)']
  const [command, ...args] = onWindows ? inNode : ['sleep', '86400']
  const other = spawn(command, args, { stdio: 'ignore' })
  after(t, () => void other.kill('SIGKILL'))
  return other.pid
}
