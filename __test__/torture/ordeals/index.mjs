// All ordeals, and how long each of them takes.

import * as failures from './failures.mjs'
import * as kills from './kills.mjs'
import * as storm from './storm.mjs'

export const ORDEALS = Object.fromEntries([storm, kills, failures].map((ordeal) => [ordeal.name, ordeal]))

/** What each ordeal is given: `full` is minutes, `quick` tens of seconds, `short` what `npm test` has time for. */
export const SIZES = {
  full: { storm: { rounds: 10_000, rivalRounds: 1000 }, kills: {}, failures: {} },
  quick: { storm: { rounds: 500, rivalRounds: 100 }, kills: {}, failures: { points: 150 } },
  short: { storm: { rounds: 250, rivals: false }, kills: { points: 12 }, failures: { points: 16 } },
}
