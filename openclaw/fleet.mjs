// Processes of leasehold and of OpenClaw on the same files, at the same time: `npm run test:openclaw`.
//
//   --seconds 60     how long they hammer on them, for each kind of lock
//   --only session   one kind: session, file or fs-safe
//   --each 3         how many processes of either side
//   --without-lock   leasehold's processes take no lock, so all of it must fail: shows that the harness notices
//
// docs/openclaw.md says what is expected, and why OpenClaw 2026.3.13 on its own does not meet it.

import { parseArgs } from 'node:util'
import { recover, hammer, outlive } from './fleet/scenes.mjs'
import { KINDS } from './fleet/kinds.mjs'
import { NAMES, describe, range } from './fleet/report.mjs'
import { compileCache, openclaw, suitableNode } from './install.mjs'

// It cleans up even if it is interrupted: that is done on exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
const say = (line) => process.stdout.write(`${line}\n`)
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    each: { type: 'string', default: '3' },
    'without-lock': { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const each = Number(values.each)
const kinds = Object.keys(KINDS).filter((kind) => values.only === undefined || kind === values.only)
if (!(seconds > 0 && each > 0 && kinds.length > 0)) {
  say(`--seconds and --each must be positive, and --only one of ${Object.keys(KINDS).join(', ')}`)
  process.exit(2)
}

/** What is wrong with a run in which leasehold took part. */
function faultsOf(kind, { faults, turns, kills, recovered, overlaps, lostUpdates }) {
  const wrong = [...new Set(faults.map(({ what }) => what))].map((what) => {
    return `${faults.filter((fault) => fault.what === what).length} × ${what}`
  })
  for (const side of ['leasehold', 'peer']) {
    if (turns[side] < seconds) wrong.push(`${side} had no more than ${turns[side]} turns`)
    if (!kills.some((kill) => kill.side === side && kill.holding)) wrong.push(`no ${side} was killed holding a lock`)
  }
  if (recovered.some(({ ms }) => ms > 10_000)) wrong.push('a lock took longer than 10 s to recover')
  // fs-safe's takeover checks twice, and is alone while it does so; it has no excuse.
  const met = Object.values(overlaps).reduce((sum, count) => sum + count, 0)
  if (kind === 'fs-safe' && met + lostUpdates > 0) wrong.push(`${met} overlaps, ${lostUpdates} lost updates`)
  return wrong
}

async function run(kind, options) {
  const wrong = []
  const indented = (line) => say(`    ${line}`)
  const control = Math.max(5, Math.round(seconds / 3))
  say(`\n${kind}: ${KINDS[kind]}\n\n  ${2 * each} processes of OpenClaw, without leasehold, ${control} s`)
  describe(await hammer(options, { sides: Array(2 * each).fill('peer'), seconds: control })).forEach(indented)

  const us = values['without-lock'] ? 'nobody' : 'leasehold'
  say(`  ${each} processes of leasehold and ${each} of OpenClaw, ${seconds} s`)
  const sides = [...Array(each).fill(us), ...Array(each).fill('peer')]
  const account = await hammer(options, { sides, seconds })
  describe(account).forEach(indented)
  wrong.push(...faultsOf(kind, account))

  for (const [from, by] of [[us, 'peer'], ['peer', us]]) {
    const waits = (await recover(options, { from, by, rounds: 3 })).sort((a, b) => a - b)
    say(`  ${NAMES[from]} killed with a lock, 3 times: ${NAMES[by]} had it after ${range(waits)}`)
  }

  const held = await outlive(options, { seconds: 10, stale: 3000 }).catch((error) => error)
  if (held instanceof Error) wrong.push(`a lock held for 10 s beside peers with a stale of 3 s: ${held.message}`)
  else say(`  held for ${(held.heldForMs / 1000).toFixed(1)} s beside peers with a stale of 3 s, and kept`)
  say(wrong.length === 0 ? `  ${kind}: passed` : `  ${kind}: FAILED\n${wrong.map((line) => `    ${line}`).join('\n')}`)
  return wrong
}

const options = { nodes: { peer: suitableNode(say) }, packageDirectory: openclaw(say), compileCache }
say(`leasehold on Node ${process.versions.node}, OpenClaw on ${options.nodes.peer}`)
const failures = []
for (const kind of kinds) failures.push(...(await run(kind, { ...options, kind })))
say(failures.length === 0 ? '\npassed' : '\nFAILED')
process.exit(failures.length === 0 ? 0 : 1)
