// Each system call of each step refused, once or for good: a clear error or none, and never a lock with two holders,
// a file that stays open, or a queue that is stuck.

import { play, rehearse } from '../stage.mjs'
import { eventually, mix, parallel } from '../parallel.mjs'
import { leftovers } from '../places.mjs'
import { Scope } from '../scope.mjs'
import { NEW, content, write } from '../steps.mjs'

export const name = 'failures'
export const title = 'Each system call of a step refused, once or from then on'

const ERRORS = { EPERM: 1, EINTR: 4, EIO: 5, EACCES: 13, EMFILE: 24, ENOSPC: 28, ENOLCK: 37, ESTALE: 116 }

/** A refusal that looks as if others had the lock (SMB reports a taken lock as EACCES) may end in this error. */
const EBUSY = 16

/** A refused `close` would prove nothing: strace keeps the file from being closed, which no kernel does. */
const NEVER_FAILS = new Set(['close'])

export async function run({ seed, points, ...which }) {
  const { skip, played, known } = await rehearse({ seed, ...which })
  if (skip) return { rows: [], problems: [], skip }
  const all = played.flatMap((step, index) =>
    known[index]
      .filter((call) => !NEVER_FAILS.has(call.name))
      .flatMap((call) =>
        Object.keys(ERRORS).flatMap((error) => [false, true].map((forGood) => ({ step, call, error, forGood }))),
      ),
  )
  const chosen = points === undefined ? all : mix(all, seed).slice(0, points)
  const outcomes = await parallel(chosen, refused)
  const rows = played.map((step) => {
    const mine = outcomes.filter((_, which) => chosen[which].step === step)
    const count = (what) => mine.filter((outcome) => outcome[what]).length
    return {
      who: step.name,
      refusals: mine.length,
      'no harm': count('fine'),
      'an error': count('error'),
      'a timeout': count('timeout'),
      unclear: count('unclear'),
      'two holders': count('double'),
      stuck: count('stuck'),
      'files left open': count('leaked'),
      leftovers: count('left'),
      'torn files': count('torn'),
    }
  })
  return { rows, problems: outcomes.flatMap(({ problems }) => problems) }
}

/** No signal interrupts a call for good: everybody retries, and the runtimes do so without asking us. */
const lasting = (error, { nth }) => (error === 'EINTR' ? `..${nth + 9}` : '+')

const say = (answer) => JSON.stringify(answer)

function refused({ step, call, error, forGood }) {
  return Scope.during(async (scope) => {
    const outcome = { problems: [] }
    const rule = `${call.name}:error=${error}:when=${call.nth}${forGood ? lasting(error, call) : ''}`
    const is = (what, problem) => {
      outcome[what] = true
      if (problem) outcome.problems.push(`${step.name}, ${rule}: ${what}: ${problem}`)
    }
    const stage = await play(scope, step, [rule])
    const { victim, answer } = stage
    const next = await stage.somebody()

    const isTold = answer.code || [ERRORS[error], EBUSY].includes(answer.errno)
    if (answer.held || answer.released || answer.written) is('fine')
    else if (answer.stuck) is('stuck', 'no answer')
    else if (answer.code?.endsWith('timeout') || answer.held === false) is('timeout')
    else if (answer.message?.includes(stage.directory) && isTold) is('error')
    else is('unclear', say(answer))

    await step.settle?.(stage)
    await (step.writes ? keepsWhole : excludes)(stage, answer, next, is)
    let left
    if (!(await eventually(() => (left = leftovers(stage.directory)).length === 0))) is('left', left)
    let usage
    const isAsBefore = async () => (usage = await victim.tell({ do: 'usage' })).descriptors === stage.descriptors
    if (!(await eventually(isAsBefore))) is('leaked', `${usage.descriptors} instead of ${stage.descriptors}`)
    return outcome
  })
}

/** Checks that the victim has the lock for itself and can give it back, and that everybody gets in afterwards. */
async function excludes(stage, answer, next, is) {
  const terms = (timeoutMs) => ({ path: stage.path, timeoutMs, leaseMs: 30_000 })
  if (answer.held) {
    const intruder = await next.tell({ do: 'acquire', name: 'lock', terms: terms(0) })
    if (intruder.held) is('double', say(intruder))
  }
  await stage.tracing.stop()
  const released = await stage.victim.tell({ do: 'release', name: stage.step.lock ?? 'lock' })
  if (answer.held && !released.released) is('stuck', `its lock is not given back: ${say(released)}`)
  for (const [who, one] of [['the victim', stage.victim], ['somebody else', next]]) {
    const again = await one.tell({ do: 'acquire', name: 'again', terms: terms(10_000) })
    if (!again.held) is('stuck', `${who} does not get the lock afterwards: ${say(again)}`)
    const back = await one.tell({ do: 'release', name: 'again' })
    if (again.held && !back.released) is('stuck', `${who} cannot release afterwards: ${say(back)}`)
  }
}

/** Checks that the file says what the answer promises, and that everybody can write afterwards. */
async function keepsWhole(stage, answer, next, is) {
  const found = content(stage)
  // If the sync of the directory was refused, the new content is there, although it may not last.
  const expected = answer.written ? ['new'] : [stage.before, 'new']
  if (!expected.includes(found)) is('torn', `${found} after ${say(answer)}`)
  await stage.tracing.stop()
  for (const [who, one] of [['the victim', stage.victim], ['somebody else', next]]) {
    const again = await write(one, stage, NEW)
    if (!again.written || content(stage) !== 'new') is('stuck', `${who} cannot write afterwards: ${say(again)}`)
  }
}
