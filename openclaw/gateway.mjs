// A real OpenClaw gateway that leaks the lock of a session, with leasehold's locks and with its own:
// `npm run demo:openclaw`. docs/openclaw.md shows the output.

import { readFileSync } from 'node:fs'
import { openclawIn } from './gateway/openclaw.mjs'
import { patchedCopy } from './gateway/patch.mjs'
import { startProvider } from './gateway/provider.mjs'
import { root } from '../scripts/prepare.mjs'
import { VERSION, compileCache, openclaw, suitableNode } from './install.mjs'

// It cleans up even if it is interrupted: that is done on exit.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
const say = (line = '') => process.stdout.write(`${line}\n`)
const SESSION = 'demo'
const REFUSAL = 'session file locked (timeout 10000ms)'

/** Leaks the lock of a session in a gateway of the package in `directory`. Resolves to how the next call ends. */
async function leak(directory, { node, providerUrl }) {
  const there = await openclawIn(directory, { node, providerUrl, compileCache })
  try {
    const gateway = await there.startGateway()
    say(`  openclaw gateway is up, pid ${gateway.pid}`)
    const before = await there.agent(SESSION, 'ping').ended
    if (before.code !== 0 || !before.output.includes('pong')) throw new Error(`it does not work:\n${before.output}`)
    say(`  openclaw agent --session-id ${SESSION} --message ping  ->  pong`)
    there.agent(SESSION, 'LEAK', '--timeout', '600')
    await gateway.hear('this run will never go on')
    const { pid } = JSON.parse(readFileSync(there.lockPath(SESSION), 'utf8'))
    if (pid !== gateway.pid) throw new Error(`the lock of the session is not the gateway's, but that of ${pid}`)
    say(`  openclaw agent --session-id ${SESSION} --message LEAK  ->  never comes back; the gateway has the lock`)
    const began = performance.now()
    const after = await there.agent(SESSION, 'ping', '--local').ended
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const succeeded = after.code === 0 && after.output.trimEnd().endsWith('pong')
    const short = (text) => text.replaceAll(there.lockPath(SESSION), `…/${SESSION}.jsonl.lock`)
    const words = succeeded ? 'pong' : short(lastLine(after.output))
    say(`  openclaw agent --session-id ${SESSION} --message ping --local  ->  ${words}`)
    for (const [told] of gateway.heard.text.matchAll(/lock leaked: .*/g)) say(`  the gateway: ${short(told)}`)
    say(`  exit code ${after.code} after ${seconds} s, the start of openclaw included`)
    return { succeeded, refused: after.code !== 0 && after.output.includes(REFUSAL) }
  } finally {
    await there.end()
  }
}

const lastLine = (text) => text.trimEnd().split('\n').at(-1)

const node = suitableNode(say)
const published = openclaw(say)
const patched = patchedCopy(published, root)
say(`openclaw ${VERSION} with leasehold's locks:\n`)
const [first, ...others] = patched.diff
say(`--- ${first.file}\n+++ ${first.file}\n${first.hunks.flat().join('\n')}\n`)
say(`and the same in ${others.length} more bundles. Node ${node}\n`)

const provider = await startProvider()
say('with leasehold')
const withLeasehold = await leak(patched.directory, { node, providerUrl: provider.url })
say('\nas published')
const asPublished = await leak(published, { node, providerUrl: provider.url })
provider.close()

const passed = withLeasehold.succeeded && asPublished.refused
say(`\nwith leasehold the next call ${withLeasehold.succeeded ? 'succeeded' : 'FAILED'}`)
say(`as published the next call ${asPublished.refused ? 'failed as in the issue' : 'did NOT fail as in the issue'}`)
say(passed ? 'passed' : 'FAILED')
process.exit(passed ? 0 : 1)
