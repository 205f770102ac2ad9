// Many tasks of one process want one lock at once.

import { run } from '../processes.mjs'
import { ratio, rowsOf, summary } from '../statistics.mjs'

export const name = 'queue'
export const title = 'Many tasks of one process want one lock: µs per task to join the queue, and to be handed the lock'
const FLOOR = 'promises'
const COUNTS = [100, 1000, 10_000]
/** navigator.locks overflows the stack at some hundreds; in the others each task polls by itself, for minutes. */
const WHO = {
  [FLOOR]: COUNTS,
  'navigator.locks': [100],
  leasehold: COUNTS,
  withFileLock: COUNTS,
  'proper-lockfile': [100],
  'OpenClaw rules': [100],
}

export async function round({ places, quick, ordered }, results) {
  for (const who of ordered(Object.keys(WHO))) {
    for (const tasks of WHO[who]) {
      const times = await run('queue', who, await places[0].newFile(), tasks, quick ? 150 : 300)
      results.push({ who, tasks, ...times })
    }
  }
}

export function conclude(results) {
  return rowsOf(results, Object.keys(WHO), (who, of) => {
    const row = { who }
    for (const tasks of WHO[who]) row[`${tasks}: join µs`] = summary(of('queueing', { tasks }))
    for (const tasks of WHO[who]) row[`${tasks}: hand-over µs`] = summary(of('handOver', { tasks }))
    const tasks = WHO[who].at(-1)
    row['× floor'] = ratio(of('handOver', { tasks }), of('handOver', { tasks, who: FLOOR }))
    return row
  })
}
