// The gateway and the CLIs that nothing happens to: they append until they are told to stop.

import { setTimeout as sleep } from 'node:timers/promises'
import { Actor } from './actor.mjs'

const [name, number, file, tasks] = process.argv.slice(2)
const actor = new Actor(Number(number), file)
const APIS = ['withFileLock', 'acquireSessionWriteLock']
let stopped = false

process.on('message', (word) => {
  if (word === 'stop') stopped = true
})
process.on('disconnect', () => process.exit())

async function appendOnAndOn(task) {
  for (let count = task; !stopped; count++) {
    try {
      await actor.turn(APIS[count % 2], (handle, id) => actor.append(handle, id, `note ${count} from ${name}`))
    } catch (error) {
      console.error(`${name}: ${error.message}`)
      process.exitCode = 1
    }
    await sleep(10 + Math.random() * 20)
  }
}

await Promise.all(Array.from({ length: Number(tasks) }, (_, task) => appendOnAndOn(task)))
process.disconnect()
