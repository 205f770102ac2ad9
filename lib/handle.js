'use strict'
// The handle: what callers hold, and what holds the lease. When it is unreachable, so is the lease.

const { answer, fetchIfExpected, lossSignal } = require('./environment.js')
const { toError } = require('./errors.js')

/** The native lease behind a handle. */
let leaseOf

class FileLockHandle {
  #lease
  #signal

  static {
    leaseOf = (handle) => handle.#lease
  }

  constructor(lease, refuse) {
    this.#lease = lease
    this.lockPath = lease.lockPath
    let released
    // Properties of their own, so that `const { release } = …` and `{ ...handle }` work.
    this.release = async () => {
      if (released === undefined) {
        refuse?.()
        released = release(lease)
      }
      await released
    }
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
      const lost = this.#lease.loss()
      this.#signal = lost ? AbortSignal.abort(toError(lost)) : lossSignal(this.#lease.id)
    }
    return this.#signal
  }

  assertHeld() {
    const fault = this.#lease.check()
    if (fault !== null) throw toError(fault)
  }

  async appendFile(data) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw Object.assign(new TypeError('data must be a string or a Uint8Array'), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    await answer(this.#lease.append(data))
  }

  releaseSync() {
    const answered = this.#lease.release()
    fetchIfExpected()
    if (answered !== null && typeof answered === 'object') throw toError(answered)
  }
}

// Node 20 has the symbols from 20.5 on; earlier ones cannot use them anyway.
for (const [symbol, method] of [
  [Symbol.asyncDispose, async function () { await this.release() }],
  [Symbol.dispose, function () { this.releaseSync() }],
]) {
  if (symbol) Object.defineProperty(FileLockHandle.prototype, symbol, { value: method, configurable: true, writable: true })
}

/** Releases natively; a promise only where the file system is a remote one. */
function release(lease) {
  const answered = lease.release()
  fetchIfExpected()
  if (answered === null) return null
  if (typeof answered === 'number') return answer(answered)
  throw toError(answered)
}

module.exports = { FileLockHandle, leaseOf }
