// Leaving the async call chain that one is in.

const calls = []
// Made here, outside of every call chain, so what it calls belongs to none.
const timer = setInterval(() => {
  for (const { fn, resolve, reject } of calls.splice(0)) Promise.resolve().then(fn).then(resolve, reject)
}, 1)
timer.unref()

/** Calls `fn` outside of the current async call chain, and passes on what comes of it. */
export function outside(fn) {
  timer.ref()
  return new Promise((resolve, reject) => calls.push({ fn, resolve, reject })).finally(() => timer.unref())
}
