// The handle: what callers hold, and what holds the lease. When it is unreachable, so is the lease.

import { answer, environment, fetch, fetchIfExpected } from './environment.mjs'
import { invalidArgument, toError } from './errors.mjs'
import { isHeard, lossSignal, publish, stackOf } from './losses.mjs'
import { Past } from './owner.mjs'

/** What owns the lease of a handle. */
export let ownerOf
/** The error of a handle whose lease was lost; undefined otherwise. */
export let lossOf
/** Releases a handle past the caller's veto: `null`, or a promise where the file system is one that may hang. */
export let giveBack

// There may be very many handles. What few of them have is kept beside them, and what is private is static, for each
// instance has room for the private methods of its class.
/** What speaks against the release of a handle: it throws. */
const vetoes = new WeakMap()
/** The signal of a handle, if it has been asked for. */
const signals = new WeakMap()

export class FileLockHandle {
  #owner
  #released

  static {
    ownerOf = (handle) => handle.#owner
    lossOf = (handle, cause) => FileLockHandle.#error(handle, handle.#owner.loss(), cause)
    giveBack = (handle) => FileLockHandle.#giveBack(handle)
  }

  constructor(owner, lockPath, refuse) {
    this.#owner = owner
    if (refuse !== undefined) vetoes.set(this, refuse)
    this.lockPath = lockPath
    // Properties of their own, so that `const { release } = ...` and `{ ...handle }` work. Who keeps nothing else
    // keeps the handle all the same: listeners of its signal are still to be told of a loss.
    this.release = FileLockHandle.#release.bind(this)
  }

  /** Bound to its handle. */
  static async #release() {
    FileLockHandle.#releaseOnce(this)
    if (this.#released !== null) await this.#released
  }

  releaseSync() {
    FileLockHandle.#releaseOnce(this)
  }

  static #releaseOnce(handle) {
    if (handle.#released !== undefined) return
    vetoes.get(handle)?.()
    // Listeners and subscribers are called meanwhile: for them it is released.
    handle.#released = null
    try {
      handle.#released = FileLockHandle.#giveBack(handle)
    } catch (error) {
      handle.#released = undefined
      throw error
    }
  }

  static #giveBack(handle) {
    const owner = handle.#owner
    // Described before: afterwards less is known.
    const message = isHeard('released') && described(handle)
    const answered = environment.release(owner.number)
    if (typeof answered === 'bigint') {
      handle.#owner = new Past(answered, handle.lockPath)
      // One that has a signal stays that signal's.
      if (!signals.has(handle)) owner.retire()
    }
    if (message) publish('released', () => message)
    fetchIfExpected()
    if (typeof answered === 'object') throw toError(answered)
    if (typeof answered !== 'number') return null
    const done = answer(answered)
    // Who releases without waiting learns of a failure from the warning.
    done.catch(() => {})
    return done
  }

  get token() {
    return this.#owner.token
  }

  get held() {
    return this.#owner.held
  }

  get recoveredFrom() {
    return this.#owner.facts()?.takenFrom ?? null
  }

  get signal() {
    let signal = signals.get(this)
    if (signal === undefined) {
      const lost = lossOf(this)
      signal = lost ? AbortSignal.abort(lost) : lossSignal(this.#owner)
      signals.set(this, signal)
    }
    return signal
  }

  assertHeld() {
    const fault = this.#owner.check(this.lockPath)
    if (fault === null) return
    // A loss that was only just found out is told before it is thrown.
    fetch()
    throw FileLockHandle.#error(this, fault)
  }

  async appendFile(data) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw invalidArgument('data must be a string or a Uint8Array')
    }
    try {
      await answer(FileLockHandle.#append(this, data))
    } catch (error) {
      throw (error.code === 'file_lock_lost' && lossOf(this)) || error
    }
  }

  /** Begins to append. A function of its own: who waits for the answer must not keep what owns the lease now. */
  static #append(handle, data) {
    return handle.#owner.append(data)
  }

  static #error(handle, fault, cause) {
    return fault ? toError(fault, { acquiredAt: stackOf(handle.#owner.origin), ...(cause && { cause }) }) : undefined
  }
}

// Node 20 has the symbols from 20.5 on; earlier ones cannot use them anyway.
for (const [symbol, method] of [
  [Symbol.asyncDispose, async function () { await this.release() }],
  [Symbol.dispose, function () { this.releaseSync() }],
]) {
  const hidden = { value: method, configurable: true, writable: true }
  if (symbol) Object.defineProperty(FileLockHandle.prototype, symbol, hidden)
}

/** A handle in words, for subscribers. */
export function described(handle) {
  const { targetPath, token, takenFrom } = ownerOf(handle).facts()
  return { lockPath: handle.lockPath, targetPath, token, recoveredFrom: takenFrom ?? null }
}
