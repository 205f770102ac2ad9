// Uses strace to make system calls of a running process fail, be slow or be its last: no file system at hand does so.

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from './after.mjs'
import { until } from './index.mjs'

/** Why `tamper` cannot work here; `undefined` when it can. */
export async function whyNoTampering() {
  if (process.platform !== 'linux') return 'strace is for Linux'
  const target = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    const { stop } = await attach(target.pid, ['flock:error=ENOLCK'])
    await stop()
    return undefined
  } catch (error) {
    return error.message
  } finally {
    target.kill('SIGKILL')
  }
}

function isTraced(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`)
  return tasks.every((task) => !/^TracerPid:\s*0$/m.test(readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8')))
}

async function attach(pid, rules) {
  const calls = [...new Set(rules.map((rule) => rule.split(':')[0]))]
  const expressions = [`trace=${calls}`, ...rules.map((rule) => `inject=${rule}`)].flatMap((rule) => ['-e', rule])
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-strace-'))
  const output = join(directory, 'output')
  const strace = spawn('strace', ['-f', '-qq', '-o', output, ...expressions, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let failure
  let complaints = ''
  strace.stderr.setEncoding('utf8').on('data', (chunk) => (complaints += chunk))
  const ended = new Promise((resolve) => {
    strace.once('error', ({ code }) => resolve((failure = code === 'ENOENT' ? 'strace is not installed' : code)))
    strace.once('close', (code) => resolve((failure ??= `strace ended (${code}): ${complaints}`)))
  })
  await until(() => failure || isTraced(pid))
  if (failure) throw new Error(failure)
  const hits = () => {
    const lines = readFileSync(output, 'utf8').split('\n').filter((line) => /INJECTED|DELAYED/.test(line))
    const calls = lines.map((line) => /(\w+)\(|<\.\.\. (\w+) resumed/.exec(line))
    return [...new Set(calls.map(([, whole, resumed]) => whole ?? resumed))]
  }
  // When killed, strace lets go of what it traces; asked to end, it may wait for a dying process.
  const stop = async () => {
    strace.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true })
  }
  return { stop, hits }
}

/**
 * Applies `rules` (as `strace -e inject=…`, counting from now and for each thread) to the process `pid` until the
 * end of the test. `hits()` lists the system calls that were tampered with so far.
 */
export async function tamper(t, pid, rules) {
  const { stop, hits } = await attach(pid, rules)
  after(t, stop)
  return { hits }
}
