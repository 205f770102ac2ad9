// Several processes append to one session file. One after the other, things happen to whoever holds the lock: nothing
// may be lost, nobody may be left waiting, and nothing may be left behind.
//
//   node demo/demo.mjs                    all rows of the leak table; writes docs/demo.md and docs/demo.svg
//   node demo/demo.mjs --into directory   writes them there
//   node demo/demo.mjs --rows 2,3         these rows only; writes nothing unless told where

import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checks } from './checks.mjs'
import { FILES, VERSION } from './openclaw.mjs'
import { play } from './play.mjs'
import { publish } from './publish.mjs'
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

const docs = fileURLToPath(new URL('../docs', import.meta.url))
const options = { into: { type: 'string' }, rows: { type: 'string' } }
const { rows, into = rows === undefined ? docs : undefined } = parseArgs({ options }).values
const scenes = SCENES.filter(({ row }) => rows === undefined || rows.split(',').includes(String(row)))
if (scenes.length === 0) throw new Error(`no such row in the leak table: ${rows}`)

const directory = await mkdtemp(join(tmpdir(), 'leasehold-demo-'))
const file = join(directory, 'session.jsonl')
await copyFile(fileURLToPath(new URL('fixtures/session.jsonl', import.meta.url)), file)
const before = await inspect(file)
const stage = new Stage()
const outcomes = []
let failures = 0

console.log(`A copy of a real OpenClaw session file (${before.lines} lines) in ${directory}`)
console.log('A gateway with 3 tasks and 2 CLIs append to it all the time. In each row, one more CLI takes the')
console.log('lock and appends; then something happens to it while the other 5 wait. "waited for" is the time')
console.log(`until the first of them has the lock. The times of OpenClaw ${VERSION} are not measured: they are`)
console.log(`what its source says of a session lock (${FILES.session})`)
console.log(`and a file lock (${FILES.file}).\n`)
printHead()
try {
  const regulars = REGULARS.map(({ name, tasks }) => {
    return stage.enter(name, 'regular', [name, stage.nextNumber, file, tasks])
  })
  await stage.until('everybody to append something', () => {
    return regulars.every((actor) => stage.turnsOf(actor).some(({ leaves }) => leaves))
  })
  for (const scene of scenes) {
    const outcome = await play(stage, scene, file, TASKS)
    failures += outcome.problems.length
    outcomes.push(outcome)
    printScene(outcome)
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
  if (into !== undefined) console.log(await publish(outcomes, into))
} else {
  console.log(`\nFAILED (${failures}). The files are still in ${directory}`)
  process.exitCode = 1
}
