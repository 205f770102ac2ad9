// Replaces a JSON file of 10 kB as a whole, so that it is on disk afterwards, or only so that readers see whole files.

import { run } from '../processes.mjs'
import { median, ratio, rowsOf, summary } from '../statistics.mjs'

export const name = 'json'
export const title = 'Replacing a JSON file of 10 kB as a whole: µs, with and without waiting for the disk'
/** Many short ones: the time that the disk takes for a sync changes by the second. */
export const rounds = { full: 9, quick: 3 }
const PEER = 'write-file-atomic'
/** Without it the file is durable, but not its name. */
const NAME_TOO = 'fs.promises, name synced'
const WHO = ['fs.promises', NAME_TOO, 'leasehold', PEER]

export async function round({ places: [place], quick, ordered }, results) {
  for (const durable of [true, false]) {
    for (const who of ordered(durable ? WHO : WHO.filter((each) => each !== NAME_TOO))) {
      const times = await run('json', who, await place.newFile(), durable, quick ? 300 : 500)
      results.push({ who, durable, us: median(times) })
    }
  }
}

export function conclude(results) {
  return rowsOf(results, WHO, (who, of) => {
    const us = (durable) => of('us', { durable })
    const against = (durable) => {
      const peer = of('us', { durable, who: PEER })
      return peer.length > 0 ? ratio(us(durable), peer) : undefined
    }
    return {
      who,
      'durable µs': summary(us(true)),
      'durable × write-file-atomic': against(true),
      'not durable µs': summary(us(false)),
      'not durable × write-file-atomic': against(false),
    }
  })
}
