// A process of the fleet: counts in shared files under their locks, and logs what it sees.
//
// Messages tell it what to do: `{ hang: true }` to hold its next lock for ever, `{ stop: true }` to finish,
// `{ leave: true }` to exit. It logs each event as a line of JSON before anything else happens, so a kill loses none:
//
//   ["in", hold, file, time, since, count, token]
//                                        it has had the lock since `since` at the earliest, and read `count`
//   ["out", hold, time, intact, wrote]   it is about to release; whether its lock file was still its own
//   ["lost", token]                      leasehold reported the loss
//   ["gaveUp", file]                     it waited for too long
//   ["rm", file, time, holds]            a peer is about to remove this lock file, which is its own if it `holds` one
//   ["rmd", file, time]                  it has done so
//
// All times are microseconds of the monotonic clock, which all processes of a machine share.

import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import fs from 'node:fs/promises'
import { subscribe } from 'node:diagnostics_channel'
import { isTimeout, locker } from './kinds.mjs'

const { kind, side, files, log, stale, packageDirectory } = JSON.parse(process.argv[2])
const logFile = openSync(log, 'a')
const now = () => Number(process.hrtime.bigint() / 1000n)
const note = (...line) => writeSync(logFile, `${JSON.stringify(line)}\n`)
const chance = (below) => Math.floor(Math.random() * below)
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let hang = false
let stopping = false
let holding = false
process.on('message', (message) => {
  hang ||= message.hang
  stopping ||= message.stop
  if (message.leave) process.exit()
})
process.on('disconnect', () => process.exit())

/** When the peer's code last tried to create a lock file. */
let tried

/** Notes what the peer's code creates and removes, as it does so; nothing else about it is changed. */
function watchPeer() {
  const { open, rm } = fs
  fs.open = (path, flags, ...rest) => {
    if (flags === 'wx') tried = now()
    return open(path, flags, ...rest)
  }
  fs.rm = async (path, ...rest) => {
    const file = files.findIndex((file) => `${file}.lock` === path)
    if (file === -1) return rm(path, ...rest)
    note('rm', file, now(), holding)
    try {
      return await rm(path, ...rest)
    } finally {
      note('rmd', file, now())
    }
  }
}

function readLock(path) {
  try {
    return readFileSync(`${path}.lock`, 'utf8')
  } catch {
    return undefined
  }
}

/** Adds one to the counter `path`, and takes its time. Returns whether it wrote: not if the lock was lost. */
async function count(path, read, lock) {
  if (chance(2)) await pause(chance(3))
  try {
    lock?.assertHeld()
  } catch {
    return false
  }
  const counter = openSync(path, 'r+')
  writeSync(counter, String(read + 1).padStart(12), 0)
  closeSync(counter)
  return true
}

/** Whether the lock file is this process's, and unchanged. leasehold's own locks answer that themselves. */
function isIntact(path, lock, record) {
  if (lock) return lock.held
  return record?.includes(`"pid": ${process.pid},`) && readLock(path) === record
}

/** The earliest time that the lock can have been taken. A token is the wall clock in nanoseconds, plus up to 1 ms. */
function heldSince(lock, time) {
  if (!lock) return tried ?? time
  const slack = 3000
  return time - (Date.now() * 1000 - Number(lock.token / 1000n)) - slack
}

async function turn(withLock, hold) {
  const file = chance(files.length)
  const path = files[file]
  await withLock(path, async (lock) => {
    holding = true
    const time = now()
    const record = lock ? undefined : readLock(path)
    const counter = openSync(path, 'r')
    const text = Buffer.alloc(12)
    readSync(counter, text, 0, 12, 0)
    closeSync(counter)
    const read = Number(text)
    note('in', hold, file, time, Math.min(time, heldSince(lock, time)), read, lock ? String(lock.token) : null)
    if (hang) {
      process.send({ hangs: file })
      await new Promise((resolve) => (globalThis.kept = resolve)) // reachable: nothing has leaked here
    }
    const wrote = await count(path, read, lock)
    const intact = isIntact(path, lock, record)
    note('out', hold, now(), intact, wrote)
  }).catch((error) => {
    if (isTimeout(error)) note('gaveUp', file)
    else if (error.code !== 'file_lock_lost') throw error
  })
  holding = false
}

subscribe('leasehold:lost', ({ token }) => note('lost', String(token)))
if (side === 'peer') watchPeer()
const withLock = await locker(kind, side, { stale, packageDirectory })
process.send({ ready: true })
for (let hold = 0; !stopping; hold += 1) {
  await turn(withLock, hold)
  // leasehold is woken by events: its pauses leave the peers, which poll, a chance.
  await pause(chance(side === 'peer' ? 2 : 12))
}
// It lives on until told to leave: a record whose pid dies while somebody reads it is a separate matter.
process.send({ stopped: true })
