// Readers of a JSON file that is being written always find it there, and whole, even with several writers.

import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { child, scratch } from './support/index.mjs'
import { noModes } from './support/platform.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const noTampering = await whyNoTampering()

async function write({ leasehold, send, begin, args: { path, writer, turns, named } }) {
  const { readFileSync } = await import('node:fs')
  await begin()
  for (let turn = 1; turn <= turns; turn += 1) {
    // From a few bytes to a few pages.
    const value = { writer, turn, filling: `${writer}`.repeat((turn * 997) % 40_000) }
    if (turn % 2) await leasehold.writeJsonFileAtomically(path, value, { durable: turn % 20 === 1 })
    else leasehold.saveJsonFile(path, value, { durable: false })
    JSON.parse(readFileSync(path, 'utf8'))
  }
  send({ done: true, named })
}

async function read({ leasehold, send, next, args: { path, hasModes } }) {
  const { readFileSync, statSync } = await import('node:fs')
  const wrong = new Set()
  let looks = 0
  let changes = 0
  let last
  let stopped = false
  send({ ready: true })
  void next('stop').then(() => (stopped = true))
  const look = (value) => {
    looks += 1
    const { writer, turn, filling } = value
    if (filling !== `${writer}`.repeat((turn * 997) % 40_000)) wrong.add(`torn: ${JSON.stringify(value).slice(0, 80)}`)
    if (`${writer}-${turn}` !== last) changes += 1
    last = `${writer}-${turn}`
  }
  while (!stopped) {
    try {
      for (let round = 0; round < 20; round += 1) {
        look(JSON.parse(readFileSync(path, 'utf8')))
        if (hasModes && (statSync(path).mode & 0o777) !== 0o640) wrong.add('another mode')
      }
      const { value, exists } = await leasehold.readJsonFileWithFallback(path, undefined)
      if (exists) look(value)
      else wrong.add('missing')
      look(leasehold.loadJsonFile(path))
    } catch (error) {
      wrong.add(error.message)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  send({ looks, changes, wrong: [...wrong] })
}

async function watched(t, writers, turns, rules) {
  const directory = scratch(t)
  const path = join(directory, 'file')
  writeFileSync(path, JSON.stringify({ writer: 0, turn: 0, filling: '' }), { mode: 0o640 })
  const reading = child(t, read, { args: { path, hasModes: !noModes } })
  const writing = Array.from({ length: writers }, (_, writer) => child(t, write, { args: { path, writer, turns } }))
  for (const one of [reading, ...writing]) await one.next('ready')
  if (rules) for (const one of writing) await tamper(t, one.pid, rules)
  for (const one of writing) one.send({ start: true })
  for (const one of writing) await one.next('done', { timeoutMs: 120_000 })
  reading.send({ stop: true })
  const { looks, changes, wrong } = await reading.next('looks')
  assert.deepEqual(wrong, [])
  assert.ok(changes > 5, `${changes} changes seen in ${looks} looks`)
  assert.deepEqual(readdirSync(directory), ['file'], 'no private name stays')
}

describe('a reader always sees a whole file', () => {
  test('of one writer', (t) => watched(t, 1, 400))
  test('of three writers', (t) => watched(t, 3, 200))
  test('of three writers without unnamed files', { skip: noTampering }, (t) =>
    watched(t, 3, 40, ['linkat:error=EOPNOTSUPP']))
})
