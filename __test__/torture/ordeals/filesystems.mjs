// The storm, on each kind of file system that is available here.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileSystem } from '../../../bench/machine.mjs'
import { after } from '../../support/after.mjs'
import { noUnixTools } from '../../support/platform.mjs'
import { Scope } from '../scope.mjs'
import * as storm from './storm.mjs'

export const name = 'filesystems'
export const title = 'The storm on other file systems'

/** A mount and its parts, below a directory of their own; unmounted after `scope`. */
function mounted(scope, mount, unmount = ['umount']) {
  const base = mkdtempSync(join(tmpdir(), 'leasehold-mount-'))
  after(scope, () => rmSync(base, { recursive: true }))
  const part = (name) => {
    mkdirSync(join(base, name))
    return join(base, name)
  }
  const point = part('mounted')
  const [command, ...args] = mount(part, point)
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  after(scope, () => void spawnSync(unmount[0], [...unmount.slice(1), point]))
  return point
}

const layers = (part) => `lowerdir=${part('lower')},upperdir=${part('upper')},workdir=${part('work')}`
const FUSERMOUNT = ['fusermount', '-u']

/** `[what, how to mount it, how to unmount it]` */
const KINDS = [
  ['tmpfs', (_, point) => ['mount', '-t', 'tmpfs', 'leasehold', point]],
  ['overlay', (part, point) => ['mount', '-t', 'overlay', 'leasehold', '-o', layers(part), point]],
  ['FUSE: bindfs', (part, point) => ['bindfs', part('real'), point], FUSERMOUNT],
  ['FUSE: fuse-overlayfs', (part, point) => ['fuse-overlayfs', '-o', layers(part), point], FUSERMOUNT],
]

export async function run({ seed, rounds, only }) {
  if (noUnixTools) return { skip: noUnixTools }
  const rows = []
  const problems = []
  for (const [kind, mount, unmount] of KINDS.filter(([kind]) => only?.includes(kind) ?? true)) {
    await Scope.during(async (scope) => {
      let parent
      try {
        parent = mounted(scope, mount, unmount)
      } catch (error) {
        const reason = error.code === 'ENOENT' ? 'not installed' : error.stderr?.trim() || error.message
        return void rows.push({ who: kind, rounds: `skipped: ${reason}` })
      }
      const type = fileSystem(parent)
      const { rows: storms, problems: wrong } = await storm.run({ seed, rounds, rivals: false, parent })
      const sum = (column) => storms.reduce((total, row) => total + row[column], 0)
      rows.push({
        who: kind,
        type,
        rounds: sum('rounds'),
        acquisitions: sum('acquisitions'),
        'rounds with two holders': sum('rounds with two holders'),
        'longest wait ms': Math.max(...storms.map((row) => row['longest wait ms'])),
        'left behind': sum('left behind'),
      })
      problems.push(...wrong.map((problem) => `${kind}: ${problem}`))
    })
  }
  return { rows, problems }
}
