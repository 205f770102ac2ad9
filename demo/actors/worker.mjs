import { parentPort, workerData } from 'node:worker_threads'
import { play } from './part.mjs'

// Alive until it is terminated.
parentPort.ref()
await play(JSON.parse(workerData), new Promise(() => {}))
