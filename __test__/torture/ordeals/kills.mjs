// A process killed between any two system calls of any step: the next process gets in at once, and nothing is left.

import { play, rehearse } from '../stage.mjs'
import { mix, parallel } from '../parallel.mjs'
import { leftovers } from '../places.mjs'
import { Scope } from '../scope.mjs'
import { NEW, content, write } from '../steps.mjs'

export const name = 'kills'
export const title = 'Killed before and after each system call of a step'

/** How often a step is played to meet a call that is not made each time. */
const TRIES = 3
/** The share of calls that need never be met again. */
const MISSED = 0.1

export async function run({ seed, points, ...which }) {
  const { skip, played, known } = await rehearse({ seed, ...which })
  if (skip) return { rows: [], problems: [], skip }
  const all = played.flatMap((step, index) => [...known[index]].map((call) => ({ step, call })))
  const chosen = points === undefined ? all : mix(all, seed).slice(0, points)
  const outcomes = await parallel(chosen, async ({ step, call }) => {
    let outcome
    // Whether some calls are made depends on timing.
    for (let tries = 0; tries < TRIES && !outcome?.reached; tries += 1) outcome = await killed(step, call)
    return outcome
  })
  const rows = played.map((step, index) => {
    const mine = outcomes.filter((_, which) => chosen[which].step === step)
    return {
      who: step.name,
      'system calls': known[index].length,
      kills: mine.filter(({ reached }) => reached).length,
      'next one blocked': mine.filter(({ blocked }) => blocked).length,
      leftovers: mine.filter(({ left }) => left).length,
      'torn files': mine.filter(({ torn }) => torn).length,
    }
  })
  const problems = outcomes.flatMap(({ problems }) => problems)
  const missed = outcomes.filter(({ reached }) => !reached).length
  if (missed > chosen.length * MISSED) problems.push(`${missed} of ${chosen.length} kills never happened`)
  return { rows, problems }
}

/**
 * Kills the victim just before a call. That is also just after the one before: nobody else can see what it does in
 * between. A kill after the last call of a step equals one before the first call of a step that follows it.
 */
function killed(step, { name, nth }) {
  return Scope.during(async (scope) => {
    const outcome = { problems: [], reached: true, blocked: false, left: false }
    const say = (problem) => outcome.problems.push(`${step.name}, killed before ${name} ${nth}: ${problem}`)
    const stage = await play(scope, step, [`${name}:signal=SIGKILL:when=${nth}`])
    if (!stage.answer.ended && !(step.thread && (await soon(stage.victim.exit)))) {
      return { ...outcome, reached: false }
    }
    await step.settle?.(stage)
    const next = await stage.somebody()
    await (step.writes ? canWrite : getsIn)(step, stage, next, outcome, say)
    const left = leftovers(stage.directory)
    outcome.left = left.length > 0
    if (outcome.left) say(`left behind: ${left}`)
    return outcome
  })
}

/** Checks that the file is not torn, and that the next process can replace it. */
async function canWrite(step, stage, next, outcome, say) {
  const found = content(stage)
  outcome.torn = ![stage.before, 'new'].includes(found)
  if (outcome.torn) say(found)
  const answer = await write(next, stage, NEW)
  outcome.blocked = !answer.written || content(stage) !== 'new'
  if (outcome.blocked) say(`the next one cannot write: ${JSON.stringify(answer)}`)
}

/** Checks that the next process gets the lock. */
async function getsIn(step, stage, next, outcome, say) {
  const { timeoutMs = 0, staleMs } = step.fresh ?? {}
  // The kernel refuses it the same calls.
  const same = step.rules && !step.thread ? await stage.trace(next.pid, step.rules) : undefined
  const answer = await next.tell({ do: 'acquire', name: 'lock', terms: { path: stage.path, timeoutMs, staleMs } })
  await same?.stop()
  outcome.blocked = answer.held !== true
  if (outcome.blocked) say(`the next one does not get the lock: ${JSON.stringify(answer)}`)
  const released = await next.tell({ do: 'release', name: 'lock' })
  if (!outcome.blocked && !released.released) say(`its lock is not given back: ${JSON.stringify(released)}`)
}

/** Whether `promise` settles soon: another thread may not be done yet when the victim answers. */
function soon(promise) {
  return Promise.race([promise.then(() => true), new Promise((resolve) => setTimeout(resolve, 2000, false))])
}
