// A slow disk keeps the writer of a JSON file waiting, and nobody else.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { child, leasehold, scratch } from './support/index.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'

const skip = await whyNoTampering()

test('while files are synced, everything else goes on', { skip }, async (t) => {
  const directory = scratch(t)
  const busy = child(
    t,
    async ({ leasehold, send, begin, args: { directory } }) => {
      const { readFile, writeFile } = await import('node:fs/promises')
      const at = (name) => `${directory}/${name}`
      await writeFile(at('other'), '{"a":1}')
      const lock = await leasehold.acquireFileLock(at('log'))
      await lock.appendFile('first\n')
      await begin()
      const order = []
      const noted = (name, promise) => promise.then(() => order.push(name), (error) => order.push(error.stack))
      // More than libuv's pool has threads.
      const writes = Array.from({ length: 8 }, (_, index) =>
        noted('written', leasehold.writeJsonFileAtomically(at(`file-${index}`), index)))
      await noted('turned', new Promise((resolve) => setTimeout(resolve, 1)))
      await noted('read by Node', Promise.all(Array.from({ length: 8 }, () => readFile(at('other')))))
      await noted('read', leasehold.readJsonFileWithFallback(at('other'), 0))
      await noted('appended', lock.appendFile('second\n'))
      await noted('locked', leasehold.withFileLock(at('third'), () => {}))
      await Promise.all(writes)
      send({ order })
    },
    { args: { directory } },
  )
  await busy.next('ready')
  await tamper(t, busy.pid, ['fsync:delay_enter=1500000'])
  busy.send({ start: true })
  const { order } = await busy.next('order')
  assert.deepEqual(order, ['turned', 'read by Node', 'read', 'appended', 'locked', ...Array(8).fill('written')])
})

test('writes of one file are done in the order of their calls', async (t) => {
  const directory = scratch(t)
  const writer = child(
    t,
    async ({ leasehold, send, args: { directory } }) => {
      for (const name of ['one', 'new/two', 'new/one']) {
        const path = `${directory}/${name}`
        const order = []
        await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            leasehold.writeJsonFileAtomically(path, index, { durable: index % 7 === 0 }).then(() => order.push(index)),
          ),
        )
        send({ order, last: leasehold.loadJsonFile(path) })
      }
    },
    { args: { directory: join(directory, 'unknown') } },
  )
  for (let file = 0; file < 3; file += 1) {
    const { order, last } = await writer.next('order')
    assert.deepEqual(order, Array.from({ length: 20 }, (_, index) => index))
    assert.equal(last, 19)
  }
})

test('a process ends when its writes are done, not before, and not later', async (t) => {
  const directory = scratch(t)
  const ending = child(
    t,
    async ({ leasehold, args: { directory } }) => {
      for (let index = 0; index < 5; index += 1) void leasehold.writeJsonFileAtomically(`${directory}/${index}`, index)
    },
    { args: { directory } },
  )
  const { code, signal, stderr } = await ending.exit
  assert.deepEqual([code, signal, stderr], [0, null, ''])
  const values = [0, 1, 2, 3, 4].map((index) => leasehold.loadJsonFile(join(directory, String(index))))
  assert.deepEqual(values, [0, 1, 2, 3, 4])
})
