// Messages from the other side, kept until somebody asks for them.

import { patience } from './platform.mjs'

/** Received messages, and the calls that wait for one. */
export class Inbox {
  #messages = []
  #waiting = []
  #closed

  push(message) {
    const index = this.#waiting.findIndex(({ wants }) => wants(message))
    if (index === -1) this.#messages.push(message)
    else this.#waiting.splice(index, 1)[0].resolve(message)
  }

  /** No more will come: calls that wait fail with the error that `describe` makes. */
  close(describe) {
    this.#closed = describe
    for (const { reject } of this.#waiting.splice(0)) reject(describe())
  }

  /**
   * Takes the first message not yet taken that `predicate` accepts: a function, or the name of a property
   * that the message must have.
   */
  next(predicate = () => true, { timeoutMs = 60_000 } = {}) {
    const wants = typeof predicate === 'string' ? (message) => Object.hasOwn(Object(message), predicate) : predicate
    const index = this.#messages.findIndex(wants)
    if (index !== -1) return Promise.resolve(this.#messages.splice(index, 1)[0])
    if (this.#closed) return Promise.reject(this.#closed())
    const { stack } = new Error()
    return new Promise((resolve, reject) => {
      const settled = (settle) => (value) => {
        clearTimeout(timer)
        settle(value)
      }
      const entry = { wants, resolve: settled(resolve), reject: settled(reject) }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        reject(new Error(`no such message within ${timeoutMs} ms: ${predicate}\n${stack}`))
      }, Math.min(timeoutMs * patience, 0x7fffffff))
      this.#waiting.push(entry)
    })
  }

  /** Everything not yet taken. */
  drain() {
    return this.#messages.splice(0)
  }
}

/** Says that it is ready and waits to be told to start. It listens beforehand: that, too, takes system calls. */
export async function begin(send, next) {
  const started = next('start')
  send({ ready: true })
  await started
}
