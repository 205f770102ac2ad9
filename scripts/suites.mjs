// Runs the suites with a Node.js that was built for another platform, and says what ran, what did not, and why.

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './prepare.mjs'

/** What the command line asks for: `{ versions, chosen }`, versions of Node and parts of the names of suites. */
export function asked() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { node: { type: 'string', multiple: true, default: ['22', '24'] } },
  })
  return { versions: values.node, chosen: positionals }
}

/** The names of the suites that contain one of `parts`, or all without any. Throws if no name contains a part. */
export function suites(parts) {
  const all = readdirSync(join(root, '__test__'))
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => name.slice(0, -'.test.mjs'.length))
  const nowhere = parts.find((part) => !all.some((name) => name.includes(part)))
  if (nowhere !== undefined) throw new Error(`no suite has "${nowhere}" in its name: the suites are ${all.join(', ')}`)
  return all.filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)))
}

/** Runs a program; resolves to its exit status and what it printed. */
function outputOf(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'], ...options })
    const chunks = []
    child.stdout.on('data', (chunk) => chunks.push(chunk))
    child.once('error', reject)
    child.once('close', (status) => resolve({ status, stdout: Buffer.concat(chunks).toString() }))
  })
}

async function runSuite(name, { label, command: [program, ...before], env, timeoutMs = 300_000 }) {
  const args = ['--test', '--test-reporter=tap', `--test-timeout=${timeoutMs}`, join('__test__', `${name}.test.mjs`)]
  const began = performance.now()
  const { status, stdout } = await outputOf(program, [...before, ...args], { env, timeout: 3 * timeoutMs })
  const lines = stdout.split('\n')
  const number = (what) => Number(lines.findLast((line) => line.startsWith(`# ${what} `))?.split(' ').at(-1) ?? NaN)
  const skips = lines.map((line) => /^\s*ok \d+ - (.*?) # SKIP ?(.*)/.exec(line)).filter(Boolean)
  const [passed, failed] = [number('pass'), number('fail') + number('cancelled')]
  const broken = status !== 0 || failed !== 0
  const seconds = Math.round((performance.now() - began) / 1000)
  const counts = `${passed} passed, ${failed} failed, ${skips.length} skipped`
  console.log(`${label}  ${name}: ${Number.isNaN(passed) ? 'ended without a summary' : counts}  (${seconds} s)`)
  if (broken) console.log(stdout)
  const reasons = skips.map(([, test, reason]) => `${name}: ${test}: ${reason || 'no reason given'}`)
  return { name, passed, failed, skipped: skips.length, broken, reasons }
}

/**
 * Runs the suites `names`, `atOnce` at a time, on each of `platforms`: `{ label, command, env, timeoutMs }`, where
 * `command` is its Node.js. `leftOut` has the reasons why some are not run, by name, and `besides` lists what else is
 * not. Resolves to whether all went well.
 */
export async function runSuites(names, platforms, { leftOut = {}, besides = [], atOnce = 1 } = {}) {
  const left = names.filter((name) => leftOut[name] !== undefined)
  const reasons = new Set([...besides, ...left.map((name) => `${name}: ${leftOut[name]}`)])
  const sums = []
  for (const platform of platforms) {
    const todo = names.filter((name) => !left.includes(name))
    const results = []
    const runner = async () => {
      for (let name = todo.shift(); name; name = todo.shift()) results.push(await runSuite(name, platform))
    }
    await Promise.all(Array.from({ length: atOnce }, runner))
    for (const reason of results.flatMap((result) => result.reasons)) reasons.add(reason)
    const sum = (what) => results.reduce((total, result) => total + (result[what] || 0), 0)
    const broken = results.filter((result) => result.broken).map(({ name }) => name)
    const tests = `${sum('passed')} tests passed, ${sum('failed')} failed, ${sum('skipped')} skipped`
    sums.push({ label: platform.label, broken, text: `suites: ${results.length}, ${broken.length} failed; ${tests}` })
  }
  if (reasons.size > 0) console.log(`\nskipped, with the reasons:\n  ${[...reasons].sort().join('\n  ')}`)
  console.log()
  for (const { label, text, broken } of sums) {
    console.log(`${label}: ${text}`)
    if (broken.length > 0) console.log(`  failed: ${broken.join(', ')}`)
  }
  return sums.every(({ broken }) => broken.length === 0)
}
