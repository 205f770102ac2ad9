// Processes stopped and resumed at random: for moments, which must not matter, and for longer than a lease.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { noFreezing } from '../../support/platform.mjs'
import { pause, strife } from './strife.mjs'

export const name = 'freezes'
export const title = 'Frozen and thawed at random (leaseMs 600)'

const LEASE = 600
/** A frozen holder is superseded after its lease and two beats; waiters notice within another half second. */
const LONG = 1800

const signals = {
  who: 'SIGSTOP, SIGCONT',
  enter: () => {},
  freeze: (member) => process.kill(member.pid, 'SIGSTOP'),
  thaw: (member) => process.kill(member.pid, 'SIGCONT'),
  leave: () => {},
}

/** The cgroup freezer, version 1 or 2, whichever is available. */
function freezer() {
  const v1 = '/sys/fs/cgroup/freezer'
  const roots = existsSync(v1) ? [v1] : ['/sys/fs/cgroup']
  for (const root of roots) {
    const isFirst = root === v1
    const group = (member) => join(root, `leasehold-${member.pid}`)
    const set = (member, frozen) =>
      isFirst
        ? writeFileSync(join(group(member), 'freezer.state'), frozen ? 'FROZEN' : 'THAWED')
        : writeFileSync(join(group(member), 'cgroup.freeze'), frozen ? '1' : '0')
    const kind = {
      who: `cgroup freezer, version ${isFirst ? 1 : 2}`,
      enter(member) {
        mkdirSync(group(member))
        writeFileSync(join(group(member), 'cgroup.procs'), String(member.pid))
      },
      freeze: (member) => set(member, true),
      thaw: (member) => set(member, false),
      leave(member) {
        writeFileSync(join(root, 'cgroup.procs'), String(member.pid))
        rmdirSync(group(member))
      },
    }
    try {
      kind.enter(process)
      kind.leave(process)
      return kind
    } catch (error) {
      return { who: 'cgroup freezer', skip: error.message }
    }
  }
}

export async function run({ seed, freezes }) {
  if (noFreezing) return { skip: noFreezing }
  const rows = []
  const problems = []
  for (const kind of [signals, freezer()]) {
    if (kind.skip) {
      rows.push({ who: kind.who, acquisitions: `skipped: ${kind.skip}` })
      continue
    }
    const { row, problems: wrong } = await strife({
      who: kind.who,
      seed,
      paths: 1,
      order: { longest: 5, think: 1, options: { timeoutMs: 60_000, leaseMs: LEASE } },
      async hire(crew) {
        const members = await crew.hireAll(4)
        members.forEach(kind.enter)
        return members
      },
      async trouble({ crew, members, chance }) {
        const count = { 'short freezes': 0, 'long freezes': 0 }
        try {
          for (let frozen = 0; frozen < freezes; frozen += 1) {
            await pause(chance(100))
            const member = members[chance(members.length)]
            const isLong = chance(4) === 0
            count[isLong ? 'long freezes' : 'short freezes'] += 1
            crew.note('freeze', member)
            kind.freeze(member)
            await pause(isLong ? LONG : chance(100))
            crew.note('thaw', member)
            kind.thaw(member)
          }
        } finally {
          members.forEach(kind.leave)
        }
        return count
      },
    })
    rows.push(row)
    problems.push(...wrong)
  }
  return { rows, problems }
}
