// Lock files that nobody will ever release.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { holder } from '../support/index.mjs'
import { noProc } from '../support/platform.mjs'
import { bystander, deadPid, startTime, stateOf } from '../support/processes.mjs'

const MINUTE = 60_000

function age(path, ms) {
  const then = (Date.now() - ms) / 1000
  utimesSync(path, then, then)
}

const record = (facts) => JSON.stringify({ createdAt: new Date().toISOString(), ...facts }, null, 2)

/** What a native holder leaves when it is killed. */
async function crashed(scope) {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-'))
  try {
    const holding = await holder(scope, join(directory, 'file'))
    holding.kill()
    await holding.exit
    return readFileSync(holding.lockPath)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/**
 * The kinds of stale records: `{ [name]: { from, plant } }`, where `plant(lockPath)` puts one there and `from` is the
 * reason that leasehold gives for taking it.
 */
export async function staleRecords(scope) {
  let dead = deadPid()
  const alive = bystander(scope)
  const remains = await crashed(scope)
  const write = (contents) => (lockPath) => writeFileSync(lockPath, contents())
  return {
    'dead pid': {
      from: 'dead-pid',
      plant: write(() => {
        // Pids are reused.
        while (stateOf(dead) !== undefined) dead = deadPid()
        return record({ pid: dead })
      }),
    },
    ...(!noProc && {
      'recycled pid': {
        from: 'recycled-pid',
        plant: write(() => record({ pid: alive, starttime: startTime(alive) - 1 })),
      },
    }),
    'old JavaScript record': {
      from: 'too-old',
      plant: write(() => record({ pid: alive, createdAt: new Date(Date.now() - 10 * MINUTE).toISOString() })),
    },
    'crashed native holder': { from: 'owner-died', plant: write(() => remains) },
    'empty file': {
      from: 'missing-pid',
      plant(lockPath) {
        writeFileSync(lockPath, '')
        age(lockPath, MINUTE)
      },
    },
  }
}

/** What proper-lockfile considers stale: an old directory. */
export function plantDirectory(lockPath) {
  mkdirSync(lockPath)
  age(lockPath, MINUTE)
}
