// Doing many things, some at a time, in an order that can be repeated.

import { availableParallelism } from 'node:os'
import { random } from '../support/random.mjs'
import { until } from '../support/index.mjs'

/** What `work` makes of each of `items`, as many at a time as there are processors. */
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

/** `items` in an order of chance, the same for a seed. */
export function mix(items, seed) {
  const chance = random(seed)
  return items
    .map((item) => ({ item, at: chance(1 << 30) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

/** Whether `predicate` becomes true in the time that anything takes that is not stuck, or `promise` settles. */
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
