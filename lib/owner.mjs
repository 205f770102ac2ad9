// The object that owns a lease, in front of the native part.

import { native } from './environment.mjs'
import { toError } from './errors.mjs'

/** The number of an owner that never has a lease. */
const NOBODY = 0

/** Owners without a lease, for reuse: creating one and having it collected takes as long as two system calls. */
const idle = []
const IDLE_MAX = 64

/** As long as this can be reached, its lease is kept; when it is collected, the lease is given back. */
export class Owner {
  constructor(number) {
    /** The number by which the native part knows it. */
    this.number = number ?? native.enrol(this)
    /** Where its lease was requested: an object with the stack. */
    this.origin = undefined
  }

  /** An owner for a lease that is being requested. */
  static of(origin) {
    const owner = idle.pop() ?? new Owner()
    owner.origin = origin
    return owner
  }

  /** Makes it available for another lease. It must not have one, and nobody may refer to it any more. */
  retire() {
    this.origin = undefined
    if (idle.length < IDLE_MAX) idle.push(this)
  }

  get token() {
    return this.facts().token
  }

  /** Its token, the protected file, and from what state the lock was recovered, if it was. */
  facts() {
    return native.factsOf(this.number)
  }

  get held() {
    return native.isHeld(this.number)
  }

  /** The number of its lease, which others may share. */
  get lease() {
    return native.leaseOf(this.number)
  }

  /** The number of its handle on that lease. */
  get hold() {
    return native.holdOf(this.number)
  }

  loss() {
    return native.lossOf(this.number)
  }

  check(lockPath) {
    return native.check(this.number, lockPath)
  }

  append(data) {
    return native.append(this.number, data)
  }

  writeFile(path, text, durable) {
    return native.writeFile(path, text, durable, this.number)
  }

  writeFileSync(path, text, durable) {
    return native.writeFileSync(path, text, durable, this.number)
  }
}

/** Stands in for an owner whose lease was given back: all that is left of it is its token. */
export class Past extends Owner {
  #token
  #lockPath

  constructor(token, lockPath) {
    super(NOBODY)
    this.#token = token
    this.#lockPath = lockPath
  }

  get token() {
    return this.#token
  }

  loss() {
    return null
  }

  append() {
    this.#refuse()
  }

  writeFile() {
    this.#refuse()
  }

  writeFileSync() {
    this.#refuse()
  }

  #refuse() {
    throw toError(this.check(this.#lockPath))
  }
}
