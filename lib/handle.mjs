// The handle: what callers hold, and what holds the lease. When it is unreachable, so is the lease.

import { answer, fetch, fetchIfExpected } from './environment.mjs'
import { invalidArgument, toError } from './errors.mjs'
import { isHeard, lossSignal, publish, stackOf, track, untrack } from './losses.mjs'

/** The native lease behind a handle. */
export let leaseOf
/** The error of a handle whose lease was lost; undefined otherwise. */
export let lossOf

export class FileLockHandle {
  #lease
  #origin
  #refuse
  #released
  #signal

  static {
    leaseOf = (handle) => handle.#lease
    lossOf = (handle, cause) => handle.#error(handle.#lease.loss(), cause)
  }

  constructor(lease, origin, refuse) {
    this.#lease = lease
    this.#origin = origin
    this.#refuse = refuse
    track(lease.id, origin)
    this.lockPath = lease.lockPath
    // Properties of their own, so that `const { release } = ...` and `{ ...handle }` work. Who keeps nothing else
    // keeps the handle all the same: listeners of its signal are still to be told of a loss.
    this.release = this.#release.bind(this)
  }

  async #release() {
    this.#releaseOnce()
    if (this.#released !== null) await this.#released
  }

  releaseSync() {
    this.#releaseOnce()
  }

  #releaseOnce() {
    if (this.#released !== undefined) return
    this.#refuse?.()
    this.#released = giveBack(this.#lease)
  }

  get token() {
    return this.#lease.token
  }

  get held() {
    return this.#lease.held
  }

  get recoveredFrom() {
    return this.#lease.takenFrom
  }

  get signal() {
    if (this.#signal === undefined) {
      const lost = lossOf(this)
      this.#signal = lost ? AbortSignal.abort(lost) : lossSignal(this.#lease)
    }
    return this.#signal
  }

  assertHeld() {
    const fault = this.#lease.check()
    if (fault === null) return
    // A loss that was only just found out is told before it is thrown.
    fetch()
    throw this.#error(fault)
  }

  async appendFile(data) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw invalidArgument('data must be a string or a Uint8Array')
    }
    try {
      await answer(this.#lease.append(data))
    } catch (error) {
      throw (error.code === 'file_lock_lost' && lossOf(this)) || error
    }
  }

  #error(fault, cause) {
    return fault ? toError(fault, { acquiredAt: stackOf(this.#origin), ...(cause && { cause }) }) : undefined
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

/** Releases natively: `null`, or a promise where the file system is one that may hang. */
export function giveBack(lease) {
  // Described before: afterwards less is known.
  const message = isHeard('released') && described(lease)
  const answered = lease.release()
  if (answered !== false) untrack(lease.id)
  if (message) publish('released', () => message)
  fetchIfExpected()
  if (typeof answered === 'boolean') return null
  if (typeof answered !== 'number') throw toError(answered)
  const done = answer(answered)
  // Who releases without waiting learns of a failure from the warning.
  done.catch(() => {})
  return done
}

/** A lease in words, for subscribers. */
export function described({ lockPath, targetPath, token, takenFrom }) {
  return { lockPath, targetPath, token, recoveredFrom: takenFrom }
}
