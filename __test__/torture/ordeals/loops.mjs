// Holders whose event loop is blocked for much longer than their lease, while others wait: nobody gets in.

import { pause, strife } from './strife.mjs'

export const name = 'loops'
export const title = 'Event loops blocked under contention (leaseMs 600)'

export async function run({ seed, blockMs, turns }) {
  const { row, problems } = await strife({
    who: `blocked for ${blockMs} ms`,
    seed,
    paths: 1,
    order: { longest: 2, think: 1, options: { timeoutMs: 60_000, leaseMs: 600 } },
    hire: (crew) => crew.hireAll(3),
    async trouble({ members, paths, chance }) {
      for (let turn = 0; turn < turns; turn += 1) {
        await pause(chance(200))
        const order = { path: paths[0], block: blockMs, options: { timeoutMs: 60_000, leaseMs: 600 } }
        await members[chance(members.length)].do('attempt', order)
      }
      return { 'blocked loops': turns }
    },
  })
  return { rows: [row], problems }
}
