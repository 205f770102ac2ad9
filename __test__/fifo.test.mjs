// Tasks of a process get a lock in the order in which they asked, and leave room for other processes.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { child, holder, leasehold, scratch } from './support/index.mjs'

const { acquireFileLock, acquireSessionWriteLock, withFileLock } = leasehold
const WAIT = { timeoutMs: 60_000 }

const ways = [
  (path, signal) => acquireFileLock(path, { ...WAIT, signal }),
  (path, signal) => acquireSessionWriteLock({ sessionFile: path, allowReentrant: false, timeoutMs: 60_000, signal }),
  (path, signal) =>
    new Promise((resolve, reject) => {
      const work = (handle) =>
        new Promise((release) => resolve({ token: handle.token, release: () => release() }))
      withFileLock(path, { ...WAIT, signal }, work).catch(reject)
    }),
]

/** Makes `count` requests at once; `served` lists them in the order in which they were served, with their tokens. */
function queue(path, count, { given = () => ({}) } = {}) {
  const served = []
  const asked = Array.from({ length: count }, async (_, number) => {
    const handle = await ways[number % ways.length](path, given(number).signal)
    served.push({ number, token: handle.token })
    await turn()
    await handle.release()
  })
  return { served, asked }
}

function inOrder(served, numbers) {
  assert.deepEqual(served.map(({ number }) => number), numbers)
  for (const [index, { token }] of served.entries()) {
    assert.ok(index === 0 || token > served[index - 1].token, `token ${index} does not grow`)
  }
}

const upTo = (count) => Array.from({ length: count }, (_, number) => number)

test('tasks are served in the order in which they asked', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireFileLock(path)
  const { served, asked } = queue(path, 60)
  await first.release()
  await Promise.all(asked)
  inOrder(served, upTo(60))
  assert.ok(served[0].token > first.token)
})

test('tasks are served in order on the very first use of a directory', async (t) => {
  const root = scratch(t)
  for (let round = 0; round < 10; round += 1) {
    const { served, asked } = queue(join(root, `there-not-yet-${round}`, 'file'), 30)
    await Promise.all(asked)
    inOrder(served, upTo(30))
  }
})

test('tasks are served in order on the first use of a directory, however they spell it', async (t) => {
  const root = scratch(t)
  for (let round = 0; round < 10; round += 1) {
    const served = []
    const spellings = [`${root}/new-${round}/file`, `${root}/x/../new-${round}/file`, `${root}//new-${round}/./file`]
    await Promise.all(
      upTo(12).map(async (number) => {
        await withFileLock(spellings[number % 3], WAIT, async () => {
          served.push(number)
          await turn()
        })
      }),
    )
    assert.deepEqual(served, upTo(12))
  }
})

test('tasks are served in order after another process', async (t) => {
  const path = join(scratch(t), 'file')
  const other = await holder(t, path)
  const { served, asked } = queue(path, 60)
  await other.release()
  await Promise.all(asked)
  inOrder(served, upTo(60))
  assert.ok(served[0].token > other.token)
})

test('tasks that gave up leave the order of the others as it was', async (t) => {
  const path = join(scratch(t), 'file')
  const gaveUp = (number) => number % 3 === 1
  const first = await acquireFileLock(path)
  const controllers = upTo(60).map(() => new AbortController())
  const { served, asked } = queue(path, 60, { given: (number) => controllers[number] })
  const outcomes = Promise.allSettled(asked)
  for (const [number, controller] of controllers.entries()) if (gaveUp(number)) controller.abort()
  await turn()
  await first.release()
  const settled = await outcomes
  assert.deepEqual(settled.map(({ status }) => status === 'rejected'), upTo(60).map(gaveUp))
  inOrder(served, upTo(60).filter((number) => !gaveUp(number)))
})

test('tasks that gave up during the first use of a directory hold nobody up', async (t) => {
  const root = scratch(t)
  for (let round = 0; round < 10; round += 1) {
    const controllers = upTo(12).map(() => new AbortController())
    const path = join(root, `new-${round}`, 'file')
    const { served, asked } = queue(path, 12, { given: (number) => controllers[number] })
    const outcomes = Promise.allSettled(asked)
    for (let number = 0; number < 12; number += 2) controllers[number].abort()
    await outcomes
    inOrder(served.filter(({ number }) => number % 2 === 1), [1, 3, 5, 7, 9, 11])
  }
})

test('tasks that ran out of time leave the order of the others as it was', async (t) => {
  const path = join(scratch(t), 'file')
  const first = await acquireFileLock(path)
  const served = []
  const settled = Promise.allSettled(
    upTo(30).map((number) =>
      withFileLock(path, { timeoutMs: number % 2 === 0 ? 100 : 60_000 }, () => void served.push(number)),
    ),
  )
  await assert.rejects(acquireFileLock(path, { timeoutMs: 400 }), { code: 'file_lock_timeout' })
  await first.release()
  const outcomes = await settled
  assert.deepEqual(served, upTo(30).filter((number) => number % 2 === 1))
  assert.deepEqual(outcomes.map(({ status }) => status === 'fulfilled'), upTo(30).map((number) => number % 2 === 1))
})

test('a task that asks again goes to the end of the queue', async (t) => {
  const path = join(scratch(t), 'file')
  const served = []
  const task = async (name) => {
    for (let round = 0; round < 20; round += 1) await withFileLock(path, WAIT, () => void served.push(name))
  }
  const first = await acquireFileLock(path)
  const tasks = Promise.all(['a', 'b', 'c'].map(task))
  await first.release()
  await tasks
  assert.equal(served.join(''), 'abc'.repeat(20))
})

test('tokens grow with every change of owner, within a process and between processes', async (t) => {
  const path = join(scratch(t), 'file')
  const collect = async ({ leasehold, send, begin, args: { path } }) => {
    const tokens = []
    await begin()
    const task = async () => {
      for (let round = 0; round < 60; round += 1) {
        await leasehold.withFileLock(path, { timeoutMs: 60_000 }, async (handle) => {
          const { readFileSync, writeFileSync, existsSync } = await import('node:fs')
          const last = existsSync(path) ? BigInt(readFileSync(path, 'utf8')) : 0n
          if (handle.token <= last) throw new Error(`${handle.token} after ${last}`)
          writeFileSync(path, String(handle.token))
          tokens.push(handle.token)
        })
      }
    }
    await Promise.all([task(), task(), task()])
    send({ tokens })
  }
  const processes = [1, 2].map(() => child(t, collect, { args: { path } }))
  for (const each of processes) await each.next('ready')
  for (const each of processes) each.send({ start: true })
  const answers = await Promise.all(processes.map((each) => each.next('tokens')))
  const tokens = answers.flatMap((answer) => answer.tokens)
  assert.equal(tokens.length, 360)
  assert.equal(new Set(tokens).size, 360, 'a token was given twice')
})

test('a queue that never empties lets other processes in', async (t) => {
  const path = join(scratch(t), 'file')
  const before = await acquireFileLock(path)
  let over = false
  const task = async () => {
    while (!over) await withFileLock(path, WAIT, () => turn())
  }
  // At any time, one inside and two in the queue.
  const tasks = Promise.all([task(), task(), task()])
  await before.release()
  const guest = child(
    t,
    async ({ leasehold, send, args: { path } }) => {
      for (let round = 0; round < 5; round += 1) {
        await leasehold.withFileLock(path, { timeoutMs: 20_000 }, () => {})
      }
      send({ done: true })
    },
    { args: { path } },
  )
  try {
    await guest.next('done')
  } finally {
    over = true
    await tasks
  }
})

test('two processes whose queues never empty both get on', async (t) => {
  const path = join(scratch(t), 'file')
  const crowd = async ({ leasehold, send, begin, args: { path } }) => {
    const { setImmediate: turn } = await import('node:timers/promises')
    let served = 0
    let over = false
    const task = async () => {
      while (!over) {
        await leasehold.withFileLock(path, { timeoutMs: 60_000 }, () => turn())
        served += 1
      }
    }
    await begin()
    setTimeout(() => {
      over = true
      send({ served })
    }, 2000)
    await Promise.all([task(), task(), task()])
  }
  const processes = [1, 2].map(() => child(t, crowd, { args: { path } }))
  for (const each of processes) await each.next('ready')
  for (const each of processes) each.send({ start: true })
  const [one, two] = await Promise.all(processes.map(async (each) => (await each.next('served')).served))
  assert.ok(Math.min(one, two) * 20 > Math.max(one, two), `${one} against ${two} turns`)
})
