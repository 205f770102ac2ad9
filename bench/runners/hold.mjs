// Takes the locks of all files given, says when it has them, and keeps them until it is killed.

import { now } from '../clock.mjs'
import { contestant } from '../contestants.mjs'

const [who, ...files] = process.argv.slice(2)
const run = await contestant(who)
/** Ways to end the work. Never used, but leasehold takes the lock back from work that nothing can end. */
const ends = []

const held = (file) => {
  return new Promise((has) => {
    run(file, () => {
      has()
      return new Promise((end) => ends.push(end))
    })
  })
}

await Promise.all(files.map(held))
console.log(now())
setInterval(() => ends.length, 1000)
