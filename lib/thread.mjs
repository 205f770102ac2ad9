// Which thread this is. Asked when it matters, and Node only if nothing else tells: it takes as long to load
// `node:worker_threads` as all of this package, and longer than many locks are held.

import native from './addon.mjs'

let isMain

export function isMainThread() {
  // No worker runs in the thread that a process begins with.
  isMain ??= native.isFirstThread() || require('node:worker_threads').isMainThread
  return isMain
}
