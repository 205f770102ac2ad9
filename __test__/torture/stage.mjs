// Where a step is played: a directory, a victim, and other puppets as needed.

import { join } from 'node:path'
import { until } from '../support/index.mjs'
import { whyNoTampering } from '../support/tamper.mjs'
import { mix, parallel } from './parallel.mjs'
import { place } from './places.mjs'
import { buildPuppet, seasoned } from './puppet.mjs'
import { Scope } from './scope.mjs'
import { STEPS, asked, content } from './steps.mjs'
import { trace } from './strace.mjs'

/** Sets the stage for `step`, and plays it while strace applies `rules` to the thread that does it. */
export async function play(scope, step, rules = []) {
  const { directory } = place(scope)
  const stage = {
    step,
    directory,
    path: join(directory, 'file'),
    victim: await seasoned(scope, directory),
    somebody: () => seasoned(scope, directory),
    trace: (pid, rules) => trace(scope, pid, rules),
    refuse: (rules) => stage.trace(stage.victim.pid, rules),
    asked: (count) => asked(stage.tracing, count, stage.victim),
  }
  // A new thread names itself only when it first runs.
  let descriptors, threads
  await until(async () => {
    ;({ descriptors, threads } = await stage.victim.tell({ do: 'usage' }))
    return !step.thread || threads[step.thread]
  })
  stage.descriptors = descriptors
  await step.arrange?.(stage)
  stage.before = content(stage)
  const thread = step.thread ? threads[step.thread] : stage.victim.pid
  stage.tracing = await trace(scope, thread, [...(step.rules ?? []), ...rules])
  try {
    stage.answer = await step.act(stage)
  } catch (error) {
    if (!/puppet ended/.test(error.message)) throw error
    stage.answer = { ended: true }
  }
  return stage
}

/**
 * The steps to play (all, `steps` of them, or the one called `step`) and the system calls of each: `{ played, known }`,
 * or why this cannot be done here: `{ skip }`.
 */
export async function rehearse({ seed, steps = STEPS.length, step }) {
  const skip = (await whyNoTampering()) ?? buildPuppet()
  if (skip) return { skip }
  const some = new Set(mix(STEPS, seed).slice(0, steps))
  const played = STEPS.filter((one) => (step ? one.name === step : some.has(one)))
  const known = await parallel(played, (one) => Scope.during((scope) => callsOf(scope, one)))
  return { played, known }
}

/** The system calls of a step: `{ name, nth }`, without those that its own rules refuse. */
async function callsOf(scope, step) {
  const { tracing } = await play(scope, step)
  await tracing.stop()
  const all = tracing.calls().filter(({ injected }) => !injected)
  const refused = new Set((step.rules ?? []).map((rule) => rule.split(':')[0]))
  const calls = all.filter(({ name }) => !refused.has(name))
  return step.varies ? calls.filter(({ nth }) => nth <= 2) : calls
}
