// A CLI that something happens to. What it does to itself it does when the stage says so.

import { play } from './part.mjs'

const cue = new Promise((resolve) => process.once('message', resolve))
process.on('disconnect', () => process.exit())
await play(JSON.parse(process.argv[2]), cue)
process.disconnect()
