// Processes that want locks, and the driver that tells them when.

import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { after } from '../support/after.mjs'
import { forgetFaketime } from '../support/faketime.mjs'
import { Recorder } from './history.mjs'

const script = fileURLToPath(new URL('./worker.mjs', import.meta.url))

/** How long an order may take unless it is known to take longer: a member that needs more is stuck. */
const STUCK = 120_000

class Member {
  #orders = new Map()
  #count = 0

  constructor(process, name) {
    Object.assign(this, { process, name, pid: process.pid })
    this.exit = new Promise((resolve) => process.once('exit', (code, signal) => resolve(signal ?? code)))
    this.ready = new Promise((resolve, reject) => {
      process.on('message', (message) => (message.ready ? resolve() : this.#answered(message)))
      void this.exit.then((how) => {
        reject(new Error(`${name} did not start: ${how}`))
        for (const { reject } of this.#orders.values()) reject(new Error(`${name} ended: ${how}`))
        this.#orders.clear()
      })
      process.once('error', reject)
    })
  }

  #answered({ number, answer, failure }) {
    const order = this.#orders.get(number)
    this.#orders.delete(number)
    if (failure === undefined) order.resolve(answer)
    else order.reject(new Error(`${this.name}: ${failure}`))
  }

  /** Makes the member do `verb`; resolves to its answer. */
  do(verb, order, { timeoutMs = STUCK } = {}) {
    const number = this.#count++
    return new Promise((resolve, reject) => {
      const settled = (settle) => (value) => {
        clearTimeout(timer)
        settle(value)
      }
      const stuck = () => reject(new Error(`${this.name} is stuck: ${verb} ${JSON.stringify(order)}`))
      const timer = setTimeout(stuck, timeoutMs)
      this.#orders.set(number, { resolve: settled(resolve), reject: settled(reject) })
      this.process.send({ number, verb, order }, (error) => error && reject(error))
    })
  }
}

export class Crew {
  #scope
  #history
  #recorder
  #count = 0

  /** A crew whose members write to `history` and end with `scope`. */
  constructor(scope, history) {
    this.#scope = scope
    this.#history = history
    this.#recorder = new Recorder(history, 'driver')
    /** Where the history is: nobody locks anything there. */
    this.directory = dirname(history)
  }

  /**
   * Starts a process that uses the lock of `contestant`. `through` is a command that starts it, such as
   * `unshare` with its arguments.
   */
  async hire({ contestant = 'leasehold', through = [], env = {}, nodeArgs = [] } = {}) {
    const name = `w${this.#count++}`
    const node = [process.execPath, ...nodeArgs, script, name, this.#history, contestant]
    const [command, ...args] = [...through, ...node]
    const { NODE_TEST_CONTEXT, ...inherited } = process.env
    const stdio = ['ignore', 'ignore', 'inherit', 'ipc']
    const settings = { ...inherited, NODE_NO_WARNINGS: '1', ...env }
    const member = new Member(spawn(command, args, { stdio, env: settings }), name)
    after(this.#scope, async () => {
      member.process.kill('SIGKILL')
      await member.exit
      forgetFaketime(member.pid, env)
    })
    await member.ready
    return member
  }

  /** Starts `count` of the same. */
  hireAll(count, options) {
    return Promise.all(Array.from({ length: count }, () => this.hire(options)))
  }

  async kill(member) {
    this.#recorder.note('kill', { who: member.name })
    member.process.kill('SIGKILL')
    await member.exit
  }

  note(what, member) {
    this.#recorder.note(what, { who: member.name })
  }
}
