// One handle on a lease, in front of the native value that owns it.

import native from './addon.mjs'

export class Lease {
  /** As long as this can be reached the lease is kept; when it is collected, the lease is given back. */
  #owner

  constructor([owner, id, hold, lockPath]) {
    this.#owner = owner
    /** The number of the lease: handles that share it have the same. */
    this.id = id
    /** The number of this handle on it. */
    this.hold = hold
    this.lockPath = lockPath
  }

  get targetPath() {
    return native.targetPathOf(this.#owner)
  }

  get token() {
    return native.tokenOf(this.#owner)
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
    return native.check(this.#owner)
  }

  release() {
    return native.release(this.#owner)
  }

  append(data) {
    return native.append(this.#owner, data)
  }

  writeFile(path, text, durable) {
    return native.writeFileUnder(this.#owner, path, text, durable)
  }

  writeFileSync(path, text, durable) {
    return native.writeFileSyncUnder(this.#owner, path, text, durable)
  }
}
