// What must be true at the end, whatever happened to whom.

import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { inspect } from './transcript.mjs'

export async function checks(file, before, turns) {
  const after = await inspect(file)
  return [
    lines(before, after, turns),
    { name: 'records', found: 'every line parses', problems: after.torn },
    { name: 'chain', found: "each record's parentId is the id of the one before it", problems: after.unchained },
    holders(turns),
    waiting(turns),
    await directory(file),
  ]
}

function lines(before, after, turns) {
  const appended = turns.filter((turn) => turn.appended).map(({ id }) => id)
  const expected = before.lines + appended.length
  const times = new Map()
  for (const id of after.ids) times.set(id, (times.get(id) ?? 0) + 1)
  const problems = [...before.ids, ...appended]
    .filter((id) => times.get(id) !== 1)
    .map((id) => `record ${id} occurs ${times.get(id) ?? 0} times`)
  if (after.lines !== expected) problems.push(`there are ${after.lines} lines instead of ${expected}`)
  const found = `${before.lines} before + ${appended.length} appended = ${expected} expected; ${after.lines} found`
  return { name: 'lines', found, problems }
}

/** Every process notes on the same clock when it has the lock and when it is about to give it up. */
function holders(turns) {
  const had = turns.filter((turn) => turn.has).sort((a, b) => a.has - b.has)
  const problems = []
  had.reduce((previous, turn) => {
    const until = previous.freeFrom ?? previous.leaves
    if (!(turn.has >= until)) problems.push(`${turn.actor.name} and ${previous.actor.name} held it at the same time`)
    return turn
  })
  return { name: 'holders', found: `never two at once in ${had.length} turns`, problems }
}

function waiting(turns) {
  const unserved = turns.filter((turn) => !turn.has)
  const problems = unserved.map(({ actor, message }) => `${actor.name}: ${message ?? 'no answer'}`)
  const longest = Math.max(...turns.map(({ has, wants }) => has - wants || 0))
  const served = `${turns.length - unserved.length} of ${turns.length} requests served`
  const found = `${served}, the longest wait was ${longest.toFixed(0)} ms`
  return { name: 'waiting', found, problems }
}

async function directory(file) {
  const entries = await readdir(dirname(file))
  const left = entries.filter((name) => name !== basename(file))
  const problems = left.map((name) => `left behind: ${name}`)
  return { name: 'directory', found: `${basename(file)} and nothing else`, problems }
}
