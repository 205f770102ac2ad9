// JSON files: turns values into text and back. Files are read and replaced natively, as a whole.

import { AsyncLocalStorage } from 'node:async_hooks'
import { isUtf8 } from 'node:buffer'
import { isUint8Array } from 'node:util/types'
import { here, holding } from './acquire.mjs'
import { answer, native } from './environment.mjs'
import {
  JsonFileError,
  LockLostError,
  invalidArgument,
  invalidValue,
  pointedAt,
  toError,
} from './errors.mjs'
import { FileLockHandle, lossOf, ownerOf } from './handle.mjs'

/** Reading follows links, as it always has. */
const FOLLOW = true
/** Directories that are made for a file are for its owner only. */
const PRIVATE = true

export async function readJsonFileWithFallback(path, fallback) {
  checkPath(path)
  let bytes
  try {
    bytes = await done(native.readFile(path, FOLLOW), here(readJsonFileWithFallback))
  } catch (error) {
    // Whatever the reason that it cannot be read, something is there.
    if (error instanceof TypeError) throw error
    return { value: fallback, exists: true }
  }
  if (bytes === undefined) return { value: fallback, exists: false }
  return { value: parsed(bytes) ?? fallback, exists: true }
}

export function loadJsonFile(path) {
  checkPath(path)
  const read = native.readFileSync(path, FOLLOW)
  // Not `instanceof`: a test suite may load this where there is another class of that name.
  if (isUint8Array(read)) return parsed(read) ?? undefined
  if (read?.kind === 'invalid') throw toError(read)
  return undefined
}

export async function writeJsonFileAtomically(path, value, options) {
  const { text, durable, lock } = writeOf(path, value, options)
  await done(begun(path, text, durable, lock), here(writeJsonFileAtomically), lock)
}

export function saveJsonFile(path, value, options) {
  const { text, durable, lock } = writeOf(path, value, options)
  const fault = (lock ? ownerOf(lock) : native).writeFileSync(path, text, durable)
  if (fault !== null) throw told(toError(fault), lock)
}

/** Starts a write. A function of its own: a caller that awaits the answer must not keep the present owner alive. */
function begun(path, text, durable, lock) {
  return (lock ? ownerOf(lock) : native).writeFile(path, text, durable)
}

/** What the mailbox answers under a number; an error points at `origin`. */
async function done(number, origin, lock) {
  try {
    return await answer(number)
  } catch (error) {
    throw told(pointedAt(error, origin), lock)
  }
}

/** Prefers the error of the lost lock, which knows where that was acquired. */
function told(error, lock) {
  return (lock && error instanceof LockLostError && lossOf(lock)) || error
}

/** The arguments of a write, all checked before anything happens. */
function writeOf(path, value, options) {
  checkPath(path)
  checkOptions(options)
  const durable = durableOf(options)
  const lock = options?.lock ?? undefined
  if (lock !== undefined && !(lock instanceof FileLockHandle)) {
    throw invalidArgument('options.lock must be the handle of a lock')
  }
  return { text: textOf(value, 'value'), durable, lock }
}

export async function updateJsonFile(path, fallback, mutate, options) {
  checkPath(path)
  if (typeof mutate !== 'function') throw invalidArgument('mutate must be a function')
  checkOptions(options)
  const durable = durableOf(options)
  // A copy: what `mutate` changes must not show up in the caller's fallback.
  const initial = fallback === undefined ? undefined : textOf(fallback, 'fallback')
  const origin = here(updateJsonFile)
  const update = (lock) =>
    inTurn(path, ownerOf(lock).lease, async () => {
      // The file that is locked: the working directory, or a link, may lead elsewhere by now.
      const file = lock.lockPath.slice(0, -'.lock'.length)
      const before = await readStrictly(file, origin)
      const found = before === undefined ? null : parsedStrictly(file, before)
      const value = found ?? (initial && JSON.parse(initial))
      const changed = await mutate(value, { exists: before !== undefined })
      const result = changed === undefined ? value : changed
      const text = textOf(result, 'the value that mutate left')
      if (text !== before) await done(begun(file, text, durable, lock), origin)
      return result
    })
  return holding(path, options, update, origin, PRIVATE)
}

/** For each lease, the end of its last update. Weak: it must not keep work alive that may own the lock. */
const lastUpdates = new Map()
/** The updates that the current call chain is inside, or was started inside. Created with the first of them. */
let updating

/** Calls that share a lock are not kept apart by it, so they take turns here. */
async function inTurn(path, lease, update) {
  updating ??= new AsyncLocalStorage()
  const outer = updating.getStore() ?? []
  if (outer.some((each) => each.lease === lease && !each.isOver)) {
    const message = `cannot update ${path} inside an update of it: that would wait for itself; change the value instead`
    throw new JsonFileError({ code: 'json_file_nested_update', path, message })
  }
  const before = lastUpdates.get(lease)?.deref()
  const turn = { lease, isOver: false }
  const work = updating.run([...outer, turn], async () => {
    await before
    return update()
  })
  const ended = work.then(() => {}, () => {})
  const reference = new WeakRef(ended)
  lastUpdates.set(lease, reference)
  try {
    return await work
  } finally {
    turn.isOver = true
    if (lastUpdates.get(lease) === reference) lastUpdates.delete(lease)
  }
}

/** The text of a file that is to be changed. Throws if it cannot be read, so that nothing is lost. */
async function readStrictly(path, origin) {
  const bytes = await done(native.readFile(path, !FOLLOW), origin)
  if (bytes === undefined) return undefined
  if (!isUtf8(bytes)) throw unparseable(path, 'it is not UTF-8')
  return bytes.toString()
}

function parsedStrictly(path, text) {
  // It holds nothing that could be lost.
  if (text.trim() === '') return null
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unparseable(path, error.message, error)
  }
}

function unparseable(path, problem, cause) {
  const message = `cannot update ${path}: ${problem}; it was left as it is: repair or remove it`
  return new JsonFileError({ code: 'json_file_unparseable', path, message }, cause && { cause })
}

/** The value in a file; `null` if it has none. */
function parsed(bytes) {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return null
  }
}

/** The text of a file with this value. */
function textOf(value, name) {
  let text
  try {
    text = JSON.stringify(value, null, 2)
  } catch (error) {
    // JSON.stringify's own, about a BigInt or a cycle; what a toJSON throws is the caller's.
    if (error instanceof TypeError) throw invalidValue(`${name} cannot be written as JSON: ${error.message}`, error)
    throw error
  }
  if (text === undefined) throw invalidValue(`${name} cannot be written as JSON: it is ${typeof value}`)
  return `${text}\n`
}

function checkPath(path) {
  if (typeof path !== 'string') throw invalidArgument('path must be a string')
}

function checkOptions(options) {
  if (options !== undefined && (options === null || typeof options !== 'object')) {
    throw invalidArgument('options must be an object')
  }
}

function durableOf(options) {
  const durable = options?.durable ?? true
  if (typeof durable !== 'boolean') throw invalidArgument('options.durable must be a boolean')
  return durable
}
