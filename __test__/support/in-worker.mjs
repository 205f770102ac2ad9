// Runs in the workers that worker.mjs starts.

import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { Inbox, begin } from './inbox.mjs'

const inbox = new Inbox()
let awaited = 0
let listening = false

async function next(predicate, options) {
  if (!listening) {
    listening = true
    parentPort.on('message', (message) => inbox.push(message))
  }
  awaited += 1
  parentPort.ref()
  try {
    return await inbox.next(predicate, { timeoutMs: 0x7fffffff, ...options })
  } finally {
    awaited -= 1
    if (awaited === 0) parentPort.unref()
  }
}

const send = (message) => parentPort.postMessage(message)
const work = (0, eval)(`(${workerData.source})`)

await work({
  addonUrl: new URL('../../index.js', import.meta.url).href,
  get leasehold() {
    return createRequire(import.meta.url)('../../index.js')
  },
  send,
  next,
  begin: () => begin(send, next),
  args: workerData.args,
})
