// A CLI whose worker holds the lock and is terminated. The CLI itself lives on: it is not the end of
// a process that frees the lock.

import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { tell } from './actor.mjs'

const worker = new Worker(fileURLToPath(new URL('worker.mjs', import.meta.url)), { workerData: process.argv[2] })
worker.on('message', (news) => process.send(news))
process.once('message', async () => {
  await tell({ kind: 'struck' })
  await worker.terminate()
})
process.on('disconnect', () => process.exit())
