// Does each of leasehold's operations many times between two marks that strace shows. Argument: a directory.

import { accessSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROUNDS = 50
const REHEARSALS = 3

/** Locks that are held meanwhile: if their handles were collected, they would be given back. */
const kept = []

/** Each gets a file of its own and returns the operation to be counted. */
export const OPERATIONS = {
  'acquireFileLock, release': ({ acquireFileLock }, path) => async () => {
    const lock = await acquireFileLock(path)
    await lock.release()
  },
  'the same with keepLockFile': ({ acquireFileLock }, path) => async () => {
    const lock = await acquireFileLock(path, { keepLockFile: true })
    await lock.release()
  },
  'the same when a dead process left the lock': ({ acquireFileLock }, path) => {
    const left = JSON.stringify({ pid: 4_194_304, createdAt: '2020-01-01T00:00:00.000Z' })
    const paths = Array.from({ length: REHEARSALS + ROUNDS }, (_, index) => `${path}-${index}`)
    for (const each of paths) writeFileSync(`${each}.lock`, left)
    return async () => {
      const lock = await acquireFileLock(paths.pop())
      await lock.release()
    }
  },
  'nested withFileLock': async ({ acquireFileLock, withFileLock }, path) => {
    kept.push(await acquireFileLock(path, { reentrantOwner: 'bench' }))
    return () => withFileLock(path, { reentrantOwner: 'bench' }, () => {})
  },
  '51 tasks, one after the other': ({ withFileLock }, path) => () =>
    Promise.all(Array.from({ length: 51 }, () => withFileLock(path, () => {}))),
  'assertHeld()': async ({ acquireFileLock }, path) => {
    const lock = await acquireFileLock(path)
    return () => lock.assertHeld()
  },
  'appendFile(data)': async ({ acquireFileLock }, path) => {
    const lock = await acquireFileLock(path)
    return () => lock.appendFile('a line\n')
  },
  'writeJsonFileAtomically, durable': ({ writeJsonFileAtomically }, path) => () =>
    writeJsonFileAtomically(path, { value: 1 }),
  inspectLock: async ({ acquireFileLock, inspectLock }, path) => {
    kept.push(await acquireFileLock(path))
    return () => inspectLock(path)
  },
}

const mark = (name) => {
  try {
    accessSync(`/leasehold-mark-${name}`)
  } catch {
    // There is no such file: strace shows the attempt.
  }
}

async function perform(directory) {
  const leasehold = await import('leasehold')
  for (const [index, prepare] of Object.values(OPERATIONS).entries()) {
    const operation = await prepare(leasehold, join(directory, `file-${index}`))
    for (let round = 0; round < REHEARSALS; round++) await operation()
    mark(`begin-${index}`)
    for (let round = 0; round < ROUNDS; round++) await operation()
    mark(`end-${index}`)
  }
  if (kept.some(({ held }) => !held)) throw new Error('a lock was lost meanwhile')
  process.exit()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await perform(process.argv[2])
