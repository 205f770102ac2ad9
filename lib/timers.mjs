// Node's timers and its clock, taken before test suites replace them: locks have to go on while clocks stand still.

import timers from 'node:timers'

export const { clearTimeout, setImmediate, setInterval, setTimeout } = timers
/** Nanoseconds. Unlike `performance`, which Node loads when it is first asked for, it costs nobody 2 ms. */
export const { bigint: now } = process.hrtime
