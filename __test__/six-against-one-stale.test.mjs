// Six processes meet one stale lock: one takes it over, no two are ever inside together, and all get in.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { holder, scratch } from './support/index.mjs'
import { contenders } from './support/contenders.mjs'
import { deadPid } from './support/processes.mjs'

const ROUNDS = 60

/** The lock file that a native holder left when it was killed. */
async function crashed(t, path) {
  const holding = await holder(t, path)
  holding.kill()
  await holding.exit
  return readFileSync(holding.lockPath)
}

function ageBy(ms) {
  return (lockPath) => {
    const then = (Date.now() - ms) / 1000
    utimesSync(lockPath, then, then)
  }
}

for (const [name, why, record, afterwards] of [
  [
    'a JS record with a dead pid',
    'dead-pid',
    async () => JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }, null, 2),
  ],
  ['a killed native holder', 'owner-died', crashed],
  ['an empty file that has not changed for long', 'missing-pid', async () => '', ageBy(60_000)],
]) {
  test(`${ROUNDS} rounds of six processes against ${name}`, async (t) => {
    const directory = scratch(t)
    const six = await contenders(t, directory, 6)
    const contents = await record(t, join(scratch(t), 'crashed'))
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = join(directory, `${round}`)
      writeFileSync(`${path}.lock`, contents)
      afterwards?.(`${path}.lock`)
      const { answers, log } = await six.meet(path)
      assert.deepEqual(answers.filter(({ error }) => error), [], 'everybody gets in')
      assert.deepEqual(answers.filter(({ intruded }) => intruded), [], 'nobody is inside together')
      assert.equal(log.length, 12, 'six went in and out')
      for (let turn = 0; turn < 12; turn += 2) {
        assert.deepEqual(log[turn + 1], { out: log[turn].in }, 'who goes in comes out before the next')
      }
      const recovered = answers.map(({ recoveredFrom }) => recoveredFrom).filter((cause) => cause !== null)
      assert.deepEqual(recovered, [why], 'one took the stale lock over, the others had it from its holder')
      assert.ok(!existsSync(`${path}.lock`))
    }
    assert.deepEqual(readdirSync(directory).filter((entry) => entry.includes('.lock')), [])
  })
}
