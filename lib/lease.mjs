// One handle on a lease, in front of the native value that owns it.

import native from './addon.mjs'
import { toError } from './errors.mjs'

/** What the native part tells of a lease that it grants: two numbers and a token, in the same three places each time. */
const words = new ArrayBuffer(24)
const numbers = new Float64Array(words)
const tokens = new BigUint64Array(words)

/** A number as V8 keeps it best: what it reads from an array of doubles it would keep in an object of its own. */
function small(number) {
  return number === (number | 0) ? number | 0 : number
}

/** Owners without a lease. To make one, and to have it collected, takes as long as two system calls. */
const idle = []
const IDLE_MAX = 64
/** The owner of leases that are over. */
const NOBODY = native.owner()

export class Lease {
  /**
   * As long as this can be reached the lease is kept; when it is collected, the lease is given back. Another's when
   * nothing is left that it could tell.
   */
  #owner

  constructor(owner, id, hold, token, lockPath) {
    this.#owner = owner
    /** The number of the lease: handles that share it have the same. */
    this.id = id
    /** The number of this handle on it. */
    this.hold = hold
    this.token = token
    this.lockPath = lockPath
  }

  /** The lease that `ask` is granted, which is called with an owner and an array for it; else what that answers. */
  static asked(ask) {
    const owner = idle.pop() ?? native.owner()
    const answer = ask(owner, tokens)
    if (typeof answer === 'string') return new Lease(owner, small(numbers[0]), small(numbers[1]), tokens[2], answer)
    idle.push(owner)
    return answer
  }

  get targetPath() {
    return native.targetPathOf(this.#owner)
  }

  get takenFrom() {
    return native.takenFrom(this.#owner)
  }

  get held() {
    return native.isHeld(this.#owner)
  }

  loss() {
    return native.lossOf(this.#owner)
  }

  check() {
    return native.check(this.#owner, this.lockPath)
  }

  /** Whether it ended, a fault, or the number of the answer. */
  release() {
    const answer = native.release(this.#owner)
    // Nothing is left to be known about it.
    if (answer === null) {
      if (idle.length < IDLE_MAX) idle.push(this.#owner)
      this.#owner = NOBODY
    }
    return answer ?? true
  }

  append(data) {
    return native.append(this.#given(), data)
  }

  writeFile(path, text, durable) {
    return native.writeFileUnder(this.#given(), path, text, durable)
  }

  writeFileSync(path, text, durable) {
    return native.writeFileSyncUnder(this.#given(), path, text, durable)
  }

  #given() {
    if (this.#owner === NOBODY) throw toError(this.check())
    return this.#owner
  }
}
