// Loaded before the script of a child process: its side of the conversation, as `globalThis.test`.

import { writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { Inbox, begin } from './inbox.mjs'

const addonUrl = new URL('../../index.js', import.meta.url).href
const inbox = new Inbox()
let lines
let awaited = 0

/** Synchronous, so that it works in exit handlers and right before a crash. */
function send(message) {
  const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  for (let rest = Buffer.from(`\u0001${text}\n`); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

/** The next message from the parent that fits. Keeps the process alive only while somebody waits. */
async function next(predicate, options) {
  if (lines === undefined) {
    lines = createInterface({ input: process.stdin })
    lines.on('line', (line) => inbox.push(JSON.parse(line)))
    lines.on('close', () => process.exit()) // the parent is gone
  }
  awaited += 1
  process.stdin.ref?.()
  try {
    return await inbox.next(predicate, { timeoutMs: 0x7fffffff, ...options })
  } finally {
    awaited -= 1
    if (awaited === 0) process.stdin.unref?.()
  }
}

globalThis.test = {
  addonUrl,
  /** The module under test, loaded on first use. */
  get leasehold() {
    return createRequire(import.meta.url)('../../index.js')
  },
  send,
  next,
  begin: () => begin(send, next),
  args: JSON.parse(process.argv.at(-1) ?? 'null'),
}
