// All ordeals, and how long each of them runs.

import * as clocks from './clocks.mjs'
import * as failures from './failures.mjs'
import * as filesystems from './filesystems.mjs'
import * as freezes from './freezes.mjs'
import * as kills from './kills.mjs'
import * as loops from './loops.mjs'
import * as namespaces from './namespaces.mjs'
import * as storm from './storm.mjs'

const ALL = [storm, kills, failures, namespaces, freezes, clocks, loops, filesystems]

export const ORDEALS = Object.fromEntries(ALL.map((ordeal) => [ordeal.name, ordeal]))

/**
 * What each ordeal is given: `full` is minutes each, `quick` tens of seconds, `short` what `npm test` has time for,
 * `mutants` what it takes to notice a broken engine.
 */
export const SIZES = {
  full: {
    storm: { rounds: 10_000, rivalRounds: 1000 },
    kills: {},
    failures: {},
    namespaces: { kills: 200 },
    freezes: { freezes: 100 },
    clocks: { steps: 500 },
    loops: { blockMs: 5000, turns: 6 },
    filesystems: { rounds: 1000 },
  },
  quick: {
    storm: { rounds: 500, rivalRounds: 100 },
    kills: {},
    failures: { points: 150 },
    namespaces: { kills: 40 },
    freezes: { freezes: 20 },
    clocks: { steps: 100 },
    loops: { blockMs: 5000, turns: 1 },
    filesystems: { rounds: 50 },
  },
  short: {
    storm: { rounds: 200, rivals: false },
    kills: { steps: 6, points: 10 },
    failures: { steps: 6, points: 12 },
    namespaces: { kills: 6 },
    freezes: { freezes: 5 },
    clocks: { steps: 20 },
    loops: { blockMs: 1500, turns: 1 },
    filesystems: { rounds: 5, only: ['FUSE: bindfs'] },
  },
  mutants: {
    storm: { rounds: 50, rivals: false },
    kills: {},
    failures: {},
    namespaces: { kills: 6 },
    freezes: { freezes: 25 },
    clocks: { steps: 40 },
    loops: { blockMs: 1500, turns: 1 },
    filesystems: { rounds: 10, only: ['FUSE: bindfs'] },
  },
}
