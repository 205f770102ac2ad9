// Leaving the current async call chain.

const calls = []
// Made here, outside of any call chain, so that what it calls belongs to none.
const timer = setInterval(() => {
  for (const { fn, resolve, reject } of calls.splice(0)) Promise.resolve().then(fn).then(resolve, reject)
}, 1)
timer.unref()

/** Calls `fn` outside of the current async call chain, and passes on its outcome. */
export function outside(fn) {
  timer.ref()
  return new Promise((resolve, reject) => calls.push({ fn, resolve, reject })).finally(() => timer.unref())
}
