// The system calls of a lock and nothing else, made by an addon that does nothing else.

import { join } from 'node:path'
import { target } from '../../scripts/prepare.mjs'

const addon = { exports: {} }
process.dlopen(addon, join(target, 'release', 'examples', 'libcalls.so'))
const { createKeptFile, endCalls, makeCalls, makeKeptCalls } = addon.exports

const kept = new Set()

export const runs = {
  'calls from Node': (path, work) => {
    const held = makeCalls(path)
    work()
    endCalls(held)
  },
  'calls from Node, file kept': (path, work) => {
    if (!kept.has(path)) createKeptFile(path)
    kept.add(path)
    const held = makeKeptCalls(path)
    work()
    endCalls(held)
  },
}
