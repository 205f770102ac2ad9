// The processes of the demo, and what they report.

import { fork } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { fileURLToPath } from 'node:url'
import { now } from './clock.mjs'

/** How long anything at all may take. Nothing takes that long unless something is broken. */
const PATIENCE = 12_000

export class Stage {
  #actors = []
  #news = new EventEmitter().setMaxListeners(0)
  /** Every request for the lock, by its id: when its actor `wants`, `has`, `leaves` or is `refused` it. */
  turns = new Map()

  constructor() {
    process.on('exit', () => this.clear())
    // A frozen actor does not notice that the stage is gone.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
  }

  /** Starts a process. What it reports is recorded. */
  enter(name, script, args) {
    const path = fileURLToPath(new URL(`actors/${script}.mjs`, import.meta.url))
    const child = fork(path, args.map(String), { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
    const actor = { name, child, number: this.#actors.length + 1, said: {}, complaints: '' }
    child.stderr.setEncoding('utf8').on('data', (text) => (actor.complaints += text))
    child.on('message', (news) => this.#note(actor, news))
    actor.gone = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve(this.#leave(actor, signal ?? code)))
    })
    this.#actors.push(actor)
    return actor
  }

  /** The number that the next process to enter will have. */
  get nextNumber() {
    return this.#actors.length + 1
  }

  /** The turns of `actor`. */
  turnsOf(actor) {
    return [...this.turns.values()].filter((turn) => turn.actor === actor)
  }

  #note(actor, { kind, at, id, ...more }) {
    if (id === undefined) {
      actor.said[kind] = { at, ...more }
    } else {
      const turn = this.turns.get(id) ?? { id, actor }
      Object.assign(turn, { [kind]: at }, more)
      this.turns.set(id, turn)
    }
    this.#news.emit('news')
  }

  #leave(actor, status) {
    actor.status = status
    this.#news.emit('news')
  }

  /** Resolves with what `find` returns as soon as that is truthy; rejects with what it throws. */
  until(what, find) {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          const found = find()
          if (found) settle(resolve, found)
        } catch (error) {
          settle(reject, error)
        }
      }
      const settle = (how, value) => {
        clearTimeout(timer)
        this.#news.off('news', look)
        how(value)
      }
      const timer = setTimeout(() => settle(reject, new Error(`waited ${PATIENCE / 1000} s for: ${what}`)), PATIENCE)
      this.#news.on('news', look)
      look()
    })
  }

  /** Sends a signal; returns when. */
  kill(actor, signal) {
    const at = now()
    actor.child.kill(signal)
    return at
  }

  /** Ends whatever still runs, and resolves when all of it is gone. */
  clear() {
    for (const actor of this.#actors) if (actor.status === undefined) this.kill(actor, 'SIGKILL')
    return Promise.all(this.#actors.map(({ gone }) => gone))
  }
}
