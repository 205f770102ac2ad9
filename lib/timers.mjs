// Node's timers and its clock, taken before test suites replace them: locks must go on while fake clocks stand still.

import timers from 'node:timers'

export const { clearTimeout, setImmediate, setInterval, setTimeout } = timers
/** Nanoseconds. Unlike `performance`, which Node loads on first use, it does not cost 2 ms. */
export const { bigint: now } = process.hrtime
