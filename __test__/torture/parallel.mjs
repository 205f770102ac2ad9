// Doing many things, some at a time, in a repeatable order.

import { availableParallelism } from 'node:os'
import { random } from '../support/random.mjs'
import { until } from '../support/index.mjs'

/** The results of `work` for each of `items`, done as many at a time as there are processors. */
export async function parallel(items, work) {
  const results = new Array(items.length)
  let next = 0
  const lane = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index])
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  return results
}

/** `items` in a random order, the same for a seed. */
export function mix(items, seed) {
  const chance = random(seed)
  return items
    .map((item) => ({ item, at: chance(1 << 30) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Whether `predicate` becomes true or `promise` settles in the time that anything takes unless it is stuck. */
export async function eventually(predicate, promise) {
  let settled = false
  void promise?.then(() => (settled = true))
  try {
    await until(async () => settled || (await predicate()), { timeoutMs: 15_000 })
    return true
  } catch {
    return false
  }
}
