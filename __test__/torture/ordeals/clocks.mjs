// Wall clocks that jump, by a second to a year, in both directions and in each process independently.

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { noFaketime } from '../../support/platform.mjs'
import { pause, strife } from './strife.mjs'

export const name = 'clocks'
export const title = 'The wall clock of each process stepped at random (leaseMs 600)'

const PLACES = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/lib']
const library = PLACES.map((where) => join(where, 'faketime', 'libfaketimeMT.so.1')).find(existsSync)

/** How far clocks are off, in seconds. */
const STEPS = [-31_536_000, -86_400, -3600, -60, -1, 0, 1, 60, 3600, 86_400, 31_536_000]

export async function run({ seed, steps }) {
  if (noFaketime) return { rows: [], problems: [], skip: noFaketime }
  if (!library) return { rows: [], problems: [], skip: 'libfaketime is not installed (apt install faketime)' }
  const rows = []
  const problems = []
  // A kept file orders tokens whatever the clocks say; a removed one leaves that to the clocks.
  for (const keepLockFile of [true, false]) {
    const { row, problems: wrong } = await strife({
      who: keepLockFile ? 'the lock file is kept' : 'the lock file is removed',
      seed,
      paths: 1,
      rules: { tokens: keepLockFile },
      order: { longest: 3, think: 1, options: { timeoutMs: 60_000, leaseMs: 600, keepLockFile } },
      hire: (crew) =>
        Promise.all(
          [0, 1, 2, 3].map(async () => {
            const clock = join(crew.directory, `clock-${Math.random()}`)
            writeFileSync(clock, '+0')
            const member = await crew.hire({
              env: {
                LD_PRELOAD: library,
                FAKETIME_TIMESTAMP_FILE: clock,
                FAKETIME_NO_CACHE: '1',
                FAKETIME_DONT_FAKE_MONOTONIC: '1',
                NO_FAKE_STAT: '1',
              },
            })
            return Object.assign(member, { clock })
          }),
        ),
      async trouble({ members, chance }) {
        for (let step = 0; step < steps; step += 1) {
          await pause(chance(60))
          const seconds = STEPS[chance(STEPS.length)]
          writeFileSync(members[chance(members.length)].clock, `${seconds < 0 ? '' : '+'}${seconds}`)
        }
        return { 'clock steps': steps }
      },
    })
    rows.push({ ...row, 'tokens grow': keepLockFile ? 'always' : 'not checked' })
    problems.push(...wrong)
  }
  return { rows, problems }
}
