// Many tasks of one process want one lock at once.

import { run } from '../processes.mjs'
import { ratio, summary } from '../statistics.mjs'

export const name = 'queue'
export const title = 'Many tasks of one process want one lock at once: µs per task'
const FLOOR = 'promises'
const COUNTS = [100, 1000, 10_000]
/** Each waiter of proper-lockfile polls by itself: more than a hundred take minutes. */
const WHO = { [FLOOR]: COUNTS, leasehold: COUNTS, withFileLock: COUNTS, 'proper-lockfile': [100] }

export async function round({ places, ordered }, results) {
  for (const who of ordered(Object.keys(WHO))) {
    for (const tasks of WHO[who]) {
      results.push({ who, tasks, us: await run('queue', who, await places[0].newFile(), tasks) })
    }
  }
}

export function conclude(results) {
  return Object.entries(WHO).map(([who, counts]) => {
    const row = { who }
    for (const tasks of counts) {
      const of = (name) => results.filter((result) => result.tasks === tasks && result.who === name).map(({ us }) => us)
      row[`${tasks} tasks, µs`] = summary(of(who))
      if (tasks === 1000) row['× floor'] = ratio(of(who), of(FLOOR))
    }
    return row
  })
}
