// Processes that a lock record may name: dead ones, zombies, and live ones with their start time.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { after } from './after.mjs'
import { noProc, onWindows } from './platform.mjs'

function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')
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
    return stat(pid)[0]
  } catch {
    return undefined
  }
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
  const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  })
  after(t, () => void parent.kill('SIGKILL'))
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  while (!noProc && readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n') await setTimeout(1)
  parent.stdio[3].end()
  while (!noProc && stateOf(line) !== 'Z') await setTimeout(1)
  return Number(line)
}

/** A live process that has nothing to do with locks. */
export function bystander(t) {
  const inNode = [process.execPath, '--eval', 'setInterval(() => {}, 600_000)']
  const [command, ...args] = onWindows ? inNode : ['sleep', 'infinity']
  const other = spawn(command, args, { stdio: 'ignore' })
  after(t, () => void other.kill('SIGKILL'))
  return other.pid
}
