// Which thread this is. Determined when it matters, and by Node only as a last resort: loading `node:worker_threads`
// takes as long as loading all of this package, and longer than many locks are held.

import native from './addon.mjs'

let isMain

export function isMainThread() {
  // The thread that a process starts with is never a worker's.
  isMain ??= native.isFirstThread() || require('node:worker_threads').isMainThread
  return isMain
}
