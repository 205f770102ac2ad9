// The demo plays every row of the leak table, draws what it measured, and fails when a lock does not come back.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { publish } from '../demo/publish.mjs'
import { after, scratch } from './support/index.mjs'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const ROWS = Array.from({ length: 11 }, (_, index) => index + 1)

/** Runs the demo with a temporary directory of its own; resolves to how it ended. */
async function demo(t, args, nodeArgs = []) {
  const env = { ...process.env, TMPDIR: scratch(t) }
  const child = spawn(process.execPath, [...nodeArgs, at('../demo/demo.mjs'), ...args], { env })
  after(t, () => child.kill())
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  return { code, output, left: readdirSync(env.TMPDIR) }
}

/** The elements of an XML text, each with its attributes and its own text; fails unless it is well-formed. */
function elements(xml) {
  const found = []
  const open = []
  const tag = /<(?<end>\/?)(?<name>[a-z]+)(?<attributes>(?:\s+[\w:-]+="[^"<&]*")*)\s*(?<empty>\/?)>|(?<text>[^<]+)/g
  const rest = xml.replace(tag, (...match) => {
    const { end, name, attributes = '', empty, text } = match.at(-1)
    if (text !== undefined) {
      assert.doesNotMatch(text, /&(?!#\d+;)/)
      if (open.length > 0) open.at(-1).text += text
      else assert.equal(text.trim(), '')
    } else if (end) {
      assert.equal(open.pop()?.name, name)
    } else {
      assert.ok(open.length > 0 || found.length === 0, 'one element has all others')
      const element = { name, text: '' }
      for (const [, key, value] of attributes.matchAll(/([\w:-]+)="([^"]*)"/g)) element[key] = value
      found.push(element)
      if (!empty) open.push(element)
    }
    return ''
  })
  assert.equal(rest, '')
  assert.deepEqual(open, [])
  return found
}

test('all rows of the leak table are played, and come out as a table and a picture', async (t) => {
  const docs = ['../docs/demo.md', '../docs/demo.svg'].map(at)
  const before = docs.map((path) => readFileSync(path, 'utf8'))
  const directory = join(scratch(t), 'docs')
  const { code, output, left } = await demo(t, ['--into', directory])
  assert.equal(code, 0, output)
  assert.deepEqual(left, [])
  assert.deepEqual(docs.map((path) => readFileSync(path, 'utf8')), before)

  const table = readFileSync(join(directory, 'demo.md'), 'utf8')
  const lines = [...table.matchAll(/^\| (\d+) \|.*\| \*\*[\d.]+ m?s\*\* \|/gm)]
  assert.deepEqual([...new Set(lines.map(([, row]) => Number(row)))], ROWS)

  const all = elements(readFileSync(join(directory, 'demo.svg'), 'utf8'))
  assert.equal(all[0].name, 'svg')
  const texts = all.filter(({ name }) => name === 'text')
  const rows = texts.filter((text) => text['text-anchor'] === 'end').map(({ text }) => Number(text))
  assert.deepEqual(rows, ROWS)
  const bars = all.filter((element) => element.class === 'leasehold' && element.name === 'rect')
  assert.equal(bars.length, 1 + ROWS.length)
  const description = all.find(({ name }) => name === 'desc').text
  for (const row of ROWS) assert.match(description, new RegExp(`Row ${row}, .*: leasehold [\\d.]+ m?s, OpenClaw`))

  // In the widest font that the picture names, a letter is little more than half as wide as the font size.
  const chart = Math.min(...all.filter((element) => element.class === 'grid').map(({ x1 }) => Number(x1)))
  const [, , width] = all[0].viewBox.split(' ').map(Number)
  for (const { x, text, class: kind, 'text-anchor': anchor } of texts.filter((text) => text.class !== 'title')) {
    const extent = text.length * (kind ? 11 : 13) * 0.54
    const right = Number(x) + { undefined: extent, middle: extent / 2, end: 0 }[anchor]
    assert.ok(right < width, `${text} runs out of the picture`)
    const isLabel = Number(x) < chart && kind === undefined && !text.startsWith('OpenClaw')
    assert.ok(!isLabel || right < chart, `${text} runs into the bars`)
  }
})

test('a lock that does not come back fails the demo, and nothing is written', async (t) => {
  const directory = join(scratch(t), 'docs')
  const args = ['--rows', '2', '--into', directory]
  const { code, output } = await demo(t, args, ['--require', at('./support/kept-handles.cjs')])
  assert.equal(code, 1, output)
  assert.match(output, /its promise can never settle .* never .* FAILED/)
  assert.match(output, /failed to get in: /)
  assert.ok(!existsSync(directory))
})

test('a directory that cannot be written is said to be so, and is no failure', async () => {
  const outcomes = [{ scene: { row: 1, title: 'its work throws' }, waited: 1 }]
  const directory = join(at('../package.json'), 'docs')
  assert.match(await publish(outcomes, directory), /could not be written: ENOTDIR/)
})
