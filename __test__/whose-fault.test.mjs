// The mixed fleet (openclaw/fleet.mjs) tells leasehold's faults from OpenClaw's by the logs of its processes.

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { account } from '../openclaw/fleet/account.mjs'
import { scratch } from './support/index.mjs'

/**
 * What the account says when one process (`first`) had the lock from 100 to 200, and another (`second`) from 150 on. A
 * peer removed the lock file at `removed`: to take over, or `releasing` its lock, which a third had taken at `robbed`.
 */
function meeting(t, { first, second = 'peer', intact = false, lost = false, removed, releasing, robbed, killed }) {
  const directory = scratch(t)
  const token = (side) => (side === 'leasehold' ? '7' : null)
  const members = [
    [first, ['in', 0, 0, 100, 90, 1, token(first)], lost && ['lost', '7'], !killed && ['out', 0, 200, intact, true]],
    [second, ['in', 0, 0, 150, 140, 1, null], ['out', 0, 190, true, true]],
    [
      'peer',
      ...(releasing ? [['in', 0, 0, 40, 30, 0, null], ['out', 0, 60, true, true]] : []),
      ...(removed ? [['rm', 0, removed, Boolean(releasing)], ['rmd', 0, removed + 1]] : []),
    ],
    ['peer', ...(robbed ? [['rm', 0, robbed, false], ['rmd', 0, robbed + 1]] : [])],
  ].map(([side, ...lines], index) => {
    const log = join(directory, `${index}.log`)
    writeFileSync(log, lines.filter(Boolean).map((line) => `${JSON.stringify(line)}\n`).join(''))
    return { side, log, killed: index === 0 ? killed : undefined, hung: undefined }
  })
  const { overlaps, faults } = account(members, [1])
  const met = Object.entries(overlaps).filter(([, count]) => count > 0).map(([name]) => name)
  return { met, atFault: faults.length > 0 }
}

const OURS = [
  ['two leasehold processes are in', { first: 'leasehold', second: 'leasehold' }, 'betweenOurselves'],
  ['leasehold gets in while a peer has its lock', { first: 'peer', second: 'leasehold', intact: true }, 'weIntruded'],
  ['so does it where the lock was lost, but to no peer', { first: 'peer', second: 'leasehold' }, 'weIntruded'],
  ['a robbed leasehold process is not told', { first: 'leasehold', removed: 120 }, 'robbedUnnoticed'],
  ['a peer gets in through nobody', { first: 'leasehold', lost: true }, 'unexplained'],
  ['a peer only released its own', { first: 'leasehold', lost: true, removed: 95, releasing: true }, 'unexplained'],
  ['the removal came after the intrusion', { first: 'leasehold', lost: true, removed: 170 }, 'unexplained'],
]

const THEIRS = [
  ['a robbed leasehold process is told', { first: 'leasehold', lost: true, removed: 120 }, 'robbedAndNoticed'],
  ['it is killed before it can be', { first: 'leasehold', removed: 120, killed: 160 }, 'robbedAndNoticed'],
  ['leasehold finds the place of a robbed peer', { first: 'peer', second: 'leasehold', removed: 120 }, 'peersRobbed'],
  [
    'a peer that was robbed itself releases',
    { first: 'leasehold', lost: true, removed: 95, releasing: true, robbed: 70 },
    'robbedAndNoticed',
  ],
  ['a peer robs a peer', { first: 'peer', removed: 120 }, 'peersRobbed'],
]

for (const [cases, atFault] of [[OURS, true], [THEIRS, false]]) {
  for (const [name, situation, expected] of cases) {
    test(`${name}: that is ${atFault ? "leasehold's" : "OpenClaw's"} fault`, (t) => {
      assert.deepEqual(meeting(t, situation), { met: [expected], atFault })
    })
  }
}

test('whoever comes when the other has gone is nobody\'s fault', (t) => {
  assert.deepEqual(meeting(t, { first: 'leasehold', killed: 140 }), { met: [], atFault: false })
})
