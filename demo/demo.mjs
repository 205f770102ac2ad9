// Several processes append to one session file. One after the other, things happen to whoever holds
// the lock: nothing may be lost, nobody may be left waiting, nothing may be left behind.

import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checks } from './checks.mjs'
import { play } from './play.mjs'
import { printCheck, printHead, printScene } from './report.mjs'
import { SCENES } from './scenes.mjs'
import { Stage } from './stage.mjs'
import { inspect } from './transcript.mjs'

const REGULARS = [
  { name: 'gateway', tasks: 3 },
  { name: 'cli-1', tasks: 1 },
  { name: 'cli-2', tasks: 1 },
]
const TASKS = REGULARS.reduce((sum, { tasks }) => sum + tasks, 0)

const directory = await mkdtemp(join(tmpdir(), 'leasehold-demo-'))
const file = join(directory, 'session.jsonl')
await copyFile(fileURLToPath(new URL('fixtures/session.jsonl', import.meta.url)), file)
const before = await inspect(file)
const stage = new Stage()
let failures = 0

console.log(`A copy of a real OpenClaw session file (${before.lines} lines) in ${directory}`)
console.log('A gateway with 3 tasks and 2 CLIs append to it all the time; each row is one more CLI that gets the')
console.log('lock, appends, and meets its fate while all 5 wait. "after" counts from the moment it was over.\n')
printHead()
try {
  const regulars = REGULARS.map(({ name, tasks }) => {
    return stage.enter(name, 'regular', [name, stage.nextNumber, file, tasks])
  })
  await stage.until('everybody to append something', () => {
    return regulars.every((actor) => stage.turnsOf(actor).some(({ leaves }) => leaves))
  })
  for (const scene of SCENES) {
    const outcome = await play(stage, scene, file, TASKS)
    failures += outcome.problems.length
    printScene(scene, outcome)
  }
  for (const { child } of regulars) child.send('stop')
  await stage.until('everybody to finish', () => regulars.every(({ status }) => status !== undefined))
  for (const { name, status, complaints } of regulars) {
    if (status !== 0) failures += 1
    if (complaints || status !== 0) console.log(`${name} ended with ${status}\n${complaints}`)
  }
} catch (error) {
  failures += 1
  console.log(`\nFAILED: ${error.stack}`)
} finally {
  await stage.clear()
}

console.log()
for (const check of await checks(file, before, [...stage.turns.values()])) {
  failures += check.problems.length
  printCheck(check)
}
if (failures === 0) {
  await rm(directory, { recursive: true })
  console.log('\nNothing lost, nobody left waiting, nothing left behind.')
} else {
  console.log(`\nFAILED (${failures}). The files are still in ${directory}`)
  process.exitCode = 1
}
