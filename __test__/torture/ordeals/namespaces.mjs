// Processes in separate pid namespaces that share a directory, as containers do, and are killed at random.

import { spawnSync } from 'node:child_process'
import { pause, strife } from './strife.mjs'

export const name = 'namespaces'
export const title = 'Several pid namespaces sharing a directory, with kills'

const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child']

export async function run({ seed, kills }) {
  const tried = spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true'], { encoding: 'utf8' })
  if (tried.status !== 0) return { rows: [], problems: [], skip: tried.stderr?.trim() || 'unshare is not installed' }
  // In a namespace of its own every process is pid 1: the same pid in two of them is the rule, not the exception.
  const through = (index) => (index % 2 ? UNSHARE : [])
  const { row, problems } = await strife({
    who: 'three in one namespace, three in their own',
    seed,
    order: { longest: 3, think: 2, options: { timeoutMs: 60_000 } },
    hire: (crew) => Promise.all([0, 1, 2, 3, 4, 5].map((index) => crew.hire({ through: through(index) }))),
    async trouble({ crew, members, chance, set }) {
      for (let killed = 0; killed < kills; killed += 1) {
        await pause(chance(120))
        const index = chance(members.length)
        await crew.kill(members[index])
        members[index] = await crew.hire({ through: through(index) })
        set(members[index])
      }
      return { kills }
    },
  })
  return { rows: [row], problems }
}
