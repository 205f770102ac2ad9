// The system calls of one thread: listed, refused, or the last thing it does.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from '../support/after.mjs'
import { until } from '../support/index.mjs'

/** Calls that say nothing about files: memory, waiting, threads, and the strings of the puppet. */
const OTHERS =
  'readv,writev,futex,poll,ppoll,restart_syscall,brk,mmap,munmap,mprotect,mremap,madvise,sched_yield,clock_nanosleep,' +
  'clock_gettime,rt_sigprocmask,rt_sigaction,rt_sigreturn,sigaltstack,getrandom,clone3,clone,set_robust_list,rseq,' +
  'sched_getaffinity,gettid,getpid,tgkill,prctl,exit'

/**
 * Applies `rules` (as `strace -e inject=…`) to the thread `thread` until `stop()`. `calls()` lists its system calls
 * so far: `{ name, text, nth, injected }`, where `nth` counts calls of that name from 1.
 */
export async function trace(scope, thread, rules = []) {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-strace-'))
  const output = join(directory, 'output')
  const expressions = [`trace=!${OTHERS}`, ...rules.map((rule) => `inject=${rule}`)].flatMap((rule) => ['-e', rule])
  const strace = spawn('strace', ['-s', '200', '-o', output, ...expressions, '-p', String(thread)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  let failure
  strace.stderr.setEncoding('utf8').on('data', (chunk) => (complaints += chunk))
  const ended = new Promise((resolve) => {
    strace.once('error', ({ code }) => resolve((failure = code === 'ENOENT' ? 'strace is not installed' : code)))
    strace.once('close', (code) => resolve((failure ??= `strace ended (${code}): ${complaints}`)))
  })
  // strace says this once the thread has been stopped; the kernel names the tracer a moment earlier.
  await until(() => failure || complaints.includes('attached'), { everyMs: 1 })
  if (failure) throw new Error(failure)
  let stopped = false
  const stop = async () => {
    if (stopped) return
    stopped = true
    strace.kill('SIGKILL')
    await ended
  }
  after(scope, async () => {
    await stop()
    rmSync(directory, { recursive: true })
  })
  const calls = () => {
    const counts = new Map()
    return readFileSync(output, 'utf8').split('\n').flatMap((line) => {
      const name = /^(\w+)\(/.exec(line)?.[1]
      if (name === undefined) return []
      counts.set(name, (counts.get(name) ?? 0) + 1)
      return { name, text: line, nth: counts.get(name), injected: /INJECTED|DELAYED/.test(line) }
    })
  }
  return { stop, calls }
}
