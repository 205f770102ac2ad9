// What Node does about a rejection that nobody handles is the same with our locks as without: whether the process
// ends, how, and what it says. And when it ends, so do its locks.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, scratch } from './support/index.mjs'

const MODES = ['throw', 'strict', 'warn', 'none', 'warn-with-error-codes']

/** The listeners that a program may have installed. */
const listeners = {
  none: '',
  'for one rejection': `process.once('unhandledRejection', () => console.log('one'))`,
  'for one rejection, ahead of all others': `
    process.prependOnceListener('unhandledRejection', () => console.log('one'))`,
  'for one error': `process.once('uncaughtException', () => console.log('one'))`,
  'that was removed again': `
    const listener = () => console.log('listener')
    process.on('unhandledRejection', listener)
    process.off('unhandledRejection', listener)`,
  'that was removed while nobody hears of removals': `
    const listener = () => console.log('listener')
    process.on('unhandledRejection', listener)
    process.removeAllListeners('removeListener')
    process.off('unhandledRejection', listener)`,
  'saved, removed and put back, as test runners do': `
    const listener = () => console.log('listener')
    process.on('unhandledRejection', listener)
    const saved = process.listeners('unhandledRejection')
    process.removeAllListeners('unhandledRejection')
    for (const each of saved) process.on('unhandledRejection', each)
    process.off('unhandledRejection', listener)`,
  'for late handling': `process.on('rejectionHandled', () => console.log('handled'))
    process.on('unhandledRejection', () => console.log('unhandled'))`,
  'of a domain': `
    const { create } = await import('node:domain')
    const domain = create()
    domain.on('error', (error) => console.log('domain', error.message))
    domain.enter()`,
}

/** Work that leaves two rejections behind, one of which is handled late, and goes on for longer than our grace. */
const program = (listener) => `
  const { args, leasehold } = globalThis.test
  process.on('warning', ({ name }) => name !== 'DeprecationWarning' && console.log('warned of', name))
  const work = async () => {
    INSTALL
    const late = Promise.reject(new Error('handled late'))
    setTimeout(() => late.catch(() => {}), 50)
    await new Promise((resolve) => setTimeout(resolve, 100))
    Promise.reject(new Error('handled never'))
    await new Promise((resolve) => setTimeout(resolve, 400))
    console.log('went on')
  }
  if (args.path) await leasehold.withFileLock(args.path, work)
  else await work()
`.replace('INSTALL', listener)

/** How it ended and what it said, without what differs from run to run. */
function outcome({ code, signal, stdout, stderr }) {
  const said = stderr.split('\n').filter((line) => !/^\s+at |^node:|^\(node:|^\s*$|Use `node --trace/.test(line))
  // Node numbers rejections; our warning in place of Node's cannot.
  return { code, signal, stdout, said: said.map((line) => line.replace(/ \(rejection id: \d+\)/, '')) }
}

for (const mode of MODES) {
  describe(`--unhandled-rejections=${mode}`, { concurrency: 4 }, () => {
    for (const [name, listener] of Object.entries(listeners)) {
      // The other modes differ in what happens without a listener.
      if (mode !== 'throw' && mode !== 'strict' && name !== 'none') continue
      test(`listeners: ${name}`, async (t) => {
        const path = join(scratch(t), 'file')
        const how = { nodeArgs: [`--unhandled-rejections=${mode}`], env: { NODE_NO_WARNINGS: '' } }
        const run = (args) => child(t, program(listener), { args, ...how }).exit
        const [without, within] = await Promise.all([run({}), run({ path })])
        assert.deepEqual(outcome(within), outcome(without))
        assert.ok(!existsSync(`${path}.lock`))
      })
    }
  })
}
