// Many tasks of one process want one lock at once.

import { run } from '../processes.mjs'
import { ratio, select, summary } from '../statistics.mjs'

export const name = 'queue'
export const title = 'Many tasks of one process want one lock: µs per task to join the queue, and to be handed the lock'
const FLOOR = 'promises'
const COUNTS = [100, 1000, 10_000]
/** navigator.locks overflows the stack at some hundreds, and the others poll, each task by itself: for minutes. */
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
  const measured = Object.keys(WHO).filter((who) => select(results, { who }, 'who').length > 0)
  return measured.map((who) => {
    const row = { who }
    const of = (tasks, field, whose = who) => select(results, { who: whose, tasks }, field)
    for (const tasks of WHO[who]) row[`${tasks}: join µs`] = summary(of(tasks, 'queueing'))
    for (const tasks of WHO[who]) row[`${tasks}: hand-over µs`] = summary(of(tasks, 'handOver'))
    const most = WHO[who].at(-1)
    row['× floor'] = ratio(of(most, 'handOver'), of(most, 'handOver', FLOOR))
    return row
  })
}
