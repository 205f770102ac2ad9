// A CLI to which something happens. What it does to itself, it does on the stage's cue.

import { play } from './part.mjs'

const cue = new Promise((resolve) => process.once('message', resolve))
process.on('disconnect', () => process.exit())
await play(JSON.parse(process.argv[2]), cue)
process.disconnect()
