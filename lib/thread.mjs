// Which thread this is. Asked when it matters: `node:worker_threads` takes longer to load than all of this package,
// which programs that only import it do not owe.

let isMain

function isMainThread() {
  isMain ??= require('node:worker_threads').isMainThread
  return isMain
}

export { isMainThread }
