// Node's timers, taken before test suites replace them: locks have to go on while clocks stand still.

import timers from 'node:timers'

const { clearTimeout, setImmediate, setInterval, setTimeout } = timers

export { clearTimeout, setImmediate, setInterval, setTimeout }
