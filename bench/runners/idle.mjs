// Says when it is up, and stays until it is killed.

import { now } from '../clock.mjs'

console.log(now())
setInterval(() => {}, 1000)
