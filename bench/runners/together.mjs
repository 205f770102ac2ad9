// Says that this process is ready, and waits until it is told to start. Resolves to the time at which all of them end.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.mjs'

export async function together() {
  console.log(now())
  const [told] = await once(process.stdin, 'data')
  const [start, end] = String(told).split(' ').map(Number)
  await sleep(Math.max(0, start - now()))
  // Timers are whole milliseconds, and the others start now.
  while (now() < start);
  return end
}
