// Plays a scene: lets one actor have the lock, has something happen to it, and sees who comes next.

/** Beyond what was promised: only a timeout, a poll of seconds or a guess about age could explain such a wait. */
const TOO_LONG = 2000

/**
 * Plays one scene while `waiters` tasks of other processes want the lock all the time. Returns who came next and after
 * how many milliseconds, and what went wrong.
 */
export async function play(stage, scene, file, waiters) {
  const { title, through, fate, length, maxHoldMs, leaseMs, forgotten } = scene
  const lives = scene.status === undefined
  const terms = { maxHoldMs, leaseMs, label: title }
  const part = { number: stage.nextNumber, file, through, fate, length, forgotten, lives, terms }
  const doomed = stage.enter(`cli-${part.number - 1}`, scene.script ?? 'doomed', [JSON.stringify(part)])
  const early = () => {
    if (doomed.status === undefined) return
    throw new Error(`${title}: it ended too early, with ${doomed.status}\n${doomed.complaints}`)
  }
  await stage.until(`${title}: a holder`, () => doomed.said.ready ?? early())
  const [turn] = stage.turnsOf(doomed)
  const queue = await stage.until(`${title}: everybody else waiting`, () => {
    early()
    const waiting = [...stage.turns.values()].filter(({ has, refused }) => (has ?? refused) === undefined)
    return waiting.length === waiters && waiting
  })

  const killed = scene.kill && stage.kill(doomed, scene.kill)
  if (!scene.kill) doomed.child.send('go')
  turn.over = await stage.until(`${title}: the end`, () => {
    return { kill: killed, leaves: turn.leaves, struck: doomed.said.struck?.at }[scene.over]
  })
  turn.freeFrom = freeFrom(scene, turn)

  await stage.until(`${title}: all waiters to get the lock`, () => queue.every(({ has, refused }) => has ?? refused))
  const [next] = queue.toSorted((a, b) => (a.has ?? Infinity) - (b.has ?? Infinity))
  const waited = next.has - turn.over
  const problems = problemsOf(scene, queue, next, turn, waited)
  // A holder that still has its lock has nothing to learn.
  if (next.has) problems.push(...(await learning(stage, scene, doomed)))
  problems.push(...(await ending(stage, scene, doomed)))
  if (problems.length > 0 && doomed.complaints) problems.push(doomed.complaints.trimEnd())
  return { scene, next: next.actor.name, waited, problems }
}

/** Until when nobody else may have the lock. `maxHoldMs` counts from a moment before its holder could say so. */
function freeFrom({ maxHoldMs, graceMs = 0 }, { wants, over }) {
  return maxHoldMs === undefined ? over + graceMs : wants + maxHoldMs
}

/** What is wrong with how the others got in. */
function problemsOf({ promisedMs = 0 }, queue, next, turn, waited) {
  const refused = queue.filter((other) => other.refused)
  const problems = refused.map(({ actor, message }) => `${actor.name} failed to get in: ${message}`)
  if (next.has < turn.freeFrom) problems.push(`${next.actor.name} got it ${turn.freeFrom - next.has} ms early`)
  if (!(waited < promisedMs + TOO_LONG)) problems.push(`the next one waited for more than ${promisedMs + TOO_LONG} ms`)
  return problems
}

/** What is wrong with what the holder learnt. */
async function learning(stage, scene, doomed) {
  const problems = []
  if (scene.thaws) {
    // The late write is cued first, so that it is waiting when its process thaws.
    doomed.child.send('go')
    stage.kill(doomed, 'SIGCONT')
  }
  if (scene.loses) {
    const { reason, lateWrite } = await stage.until(`${scene.title}: news of the loss`, () => doomed.said.lost)
    if (!scene.loses.includes(reason)) problems.push(`it lost the lock for the reason ${reason}`)
    if (lateWrite !== 'file_lock_lost') problems.push(`its late write ended in: ${lateWrite}`)
  }
  if (scene.warns) {
    const { code } = await stage.until(`${scene.title}: a warning`, () => doomed.said.warned)
    if (code !== scene.warns) problems.push(`its process warned with the code ${code}`)
  }
  return problems
}

/** What is wrong with how the holder ended. */
async function ending(stage, scene, doomed) {
  const problems = []
  if (scene.status === undefined) {
    if (doomed.status !== undefined) problems.push(`its process ended with ${doomed.status}`)
    stage.kill(doomed, 'SIGKILL')
    await doomed.gone
  } else {
    await stage.until(`${scene.title}: its end`, () => doomed.status !== undefined)
    if (doomed.status !== scene.status) problems.push(`its process ended with ${doomed.status}`)
  }
  if (doomed.said.threw?.message !== scene.threw) problems.push(`it threw: ${doomed.said.threw?.message}`)
  return problems
}
