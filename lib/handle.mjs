// The handle: what callers hold, and what holds the lease. When it is unreachable, so is the lease.

import { isUint8Array } from 'node:util/types'
import { answer, fetch, fetchIfExpected, native } from './environment.mjs'
import { invalidArgument, toError } from './errors.mjs'
import { isHeard, lossSignal, publish, stackOf } from './losses.mjs'
import { Past } from './owner.mjs'

/** The owner of a handle's lease. */
export let ownerOf
/** The error of a handle whose lease was lost; undefined otherwise. */
export let lossOf
/**
 * Releases a handle without asking its veto. Returns `null`, the error if that failed, or a promise if the file system
 * may hang.
 */
export let giveBack

// There may be very many handles. What only few of them have is kept beside them, and private methods are static,
// because each instance has room for the private methods of its class.
/** The caller's veto on the release of a handle, which throws. */
const vetoes = new WeakMap()
/** The signal of a handle, if it has been asked for. */
const signals = new WeakMap()

export class FileLockHandle {
  #owner
  /** What `giveBack` returned, once the handle was released. */
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
    // Own properties, so that `const { release } = ...` and `{ ...handle }` work. A caller that keeps only `release`
    // keeps the handle all the same: listeners of its signal must still be told of a loss.
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
    if (handle.#released === undefined) {
      vetoes.get(handle)?.()
      // Listeners and subscribers are called during the release: for them the handle is released.
      handle.#released = null
      handle.#released = FileLockHandle.#giveBack(handle)
    }
    // However often it is released, it ends the same way.
    if (handle.#released instanceof Error) throw handle.#released
  }

  static #giveBack(handle) {
    const owner = handle.#owner
    // Described before the release, after which less is known.
    const message = isHeard('released') && described(handle)
    const answered = native.release(owner.number)
    if (typeof answered === 'bigint') {
      handle.#owner = new Past(answered, handle.lockPath)
      // Not if it has given out a signal, which keeps it.
      if (!signals.has(handle)) owner.retire()
    }
    if (message) publish('released', () => message)
    fetchIfExpected()
    if (typeof answered === 'object') return toError(answered)
    if (typeof answered !== 'number') return null
    const done = answer(answered)
    // A caller that does not wait for the release learns of a failure from the warning.
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
    // A loss that was found only now is announced before it is thrown.
    fetch()
    throw FileLockHandle.#error(this, fault)
  }

  async appendFile(data) {
    if (typeof data !== 'string' && !isUint8Array(data)) {
      throw invalidArgument('data must be a string or a Uint8Array')
    }
    try {
      await answer(FileLockHandle.#append(this, data))
    } catch (error) {
      throw (error.code === 'file_lock_lost' && lossOf(this)) || error
    }
  }

  /** Starts an append. A function of its own: a caller that awaits the answer must not keep the present owner alive. */
  static #append(handle, data) {
    return handle.#owner.append(data)
  }

  static #error(handle, fault, cause) {
    return fault ? toError(fault, { acquiredAt: stackOf(handle.#owner.origin), ...(cause && { cause }) }) : undefined
  }
}

// Node 20 has these symbols since 20.5; earlier ones cannot use them anyway.
for (const [symbol, method] of [
  [Symbol.asyncDispose, async function () { await this.release() }],
  [Symbol.dispose, function () { this.releaseSync() }],
]) {
  const hidden = { value: method, configurable: true, writable: true }
  if (symbol) Object.defineProperty(FileLockHandle.prototype, symbol, hidden)
}

/** A description of a handle, for subscribers. */
export function described(handle) {
  const { targetPath, token, takenFrom } = ownerOf(handle).facts()
  return { lockPath: handle.lockPath, targetPath, token, recoveredFrom: takenFrom ?? null }
}
