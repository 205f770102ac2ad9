// Plays a scene: lets one actor have the lock, ends it, and sees who comes next.

/** A wait that only a time-out, a poll of seconds or a guess about age could explain. */
const TOO_LONG = 2000

/**
 * Plays one scene while `waiters` tasks of other processes want the lock all the time. Says who came
 * next and after how many milliseconds, and what went wrong.
 */
export async function play(stage, scene, file, waiters) {
  const { title, through, fate, length, maxHoldMs, leaseMs } = scene
  const part = { number: stage.nextNumber, file, through, fate, length, terms: { maxHoldMs, leaseMs, label: title } }
  const doomed = stage.enter(`cli-${part.number - 1}`, scene.script ?? 'doomed', [JSON.stringify(part)])
  const early = () => {
    if (doomed.status === undefined) return
    throw new Error(`${title}: it ended with ${doomed.status}, too early\n${doomed.complaints}`)
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
    const { leaves, has } = turn
    return { kill: killed, maxHold: has + maxHoldMs, leaves, ends: doomed.said.ends?.at }[scene.over]
  })
  // Counted from when the lock was had, which is a moment before its holder could say so.
  turn.freeFrom = scene.over === 'maxHold' ? turn.wants + maxHoldMs : turn.over

  await stage.until(`${title}: all who waited to get in`, () => queue.every(({ has, refused }) => has ?? refused))
  const [next] = queue.toSorted((a, b) => (a.has ?? Infinity) - (b.has ?? Infinity))
  const waited = Math.max(0, next.has - turn.over)
  const problems = [...problemsOf(queue, next, turn, waited), ...(await oddities(stage, scene, doomed))]
  return { next: next.actor.name, waited, problems }
}

/** What is wrong with how the others got in. */
function problemsOf(queue, next, turn, waited) {
  const refused = queue.filter((other) => other.refused)
  const problems = refused.map(({ actor, message }) => `${actor.name} failed to get in: ${message}`)
  if (next.has < turn.freeFrom) problems.push(`${next.actor.name} came in ${turn.freeFrom - next.has} ms early`)
  if (!(waited < TOO_LONG)) problems.push(`the next one waited for more than ${TOO_LONG} ms`)
  return problems
}

/** What is wrong with how the holder saw it and ended. */
async function oddities(stage, scene, doomed) {
  const problems = []
  if (scene.loses) {
    const { reason, lateWrite } = await stage.until(`${scene.title}: to learn of it`, () => doomed.said.lost)
    if (reason !== 'max-hold') problems.push(`it lost the lock by ${reason}`)
    if (lateWrite !== 'file_lock_lost') problems.push(`its late write ended in: ${lateWrite}`)
  }
  if (scene.status === undefined) {
    if (doomed.status !== undefined) problems.push(`its process ended with ${doomed.status}`)
    stage.kill(doomed, 'SIGKILL')
    await doomed.gone
  } else {
    await stage.until(`${scene.title}: its end`, () => doomed.status !== undefined)
    if (doomed.status !== scene.status) problems.push(`its process ended with ${doomed.status}`)
  }
  if (doomed.said.threw?.message !== scene.threw) problems.push(`it threw: ${doomed.said.threw?.message}`)
  if (problems.length > 0 && doomed.complaints) problems.push(doomed.complaints.trimEnd())
  return problems
}
