// Everybody's lock behind one function: `run(path, work)` does `work` under the lock. A process loads only the
// contestant that it measures.

/** Which module has which contestants. */
const MODULES = {
  './contestants/calls.mjs': ['calls from Node', 'calls from Node, file kept'],
  './contestants/leasehold.mjs': ['leasehold', 'leasehold, file kept', 'withFileLock', 'sync', 'sync, file kept'],
  './contestants/node.mjs': ['nobody', 'promises', 'fs.*Sync', 'fs.promises'],
  './peers/fs-native-extensions.mjs': ['fs-native-extensions'],
  './peers/fs-safe.mjs': ['fs-safe'],
  './peers/lockfile.mjs': ['lockfile'],
  './peers/navigator.locks.mjs': ['navigator.locks'],
  './peers/openclaw-rules.mjs': ['OpenClaw rules'],
  './peers/proper-lockfile.mjs': ['proper-lockfile'],
  './peers/write-file-atomic.mjs': ['write-file-atomic'],
}

/** The `run` of `who`, if it has a lock; rejects if it does not work here. */
export async function contestant(who) {
  const [path] = Object.entries(MODULES).find(([, names]) => names.includes(who))
  const { runs } = await import(path)
  return runs?.[who]
}

/** Whether `who` is what all this is about: anybody else may be left out. */
export const isOurs = (who) => MODULES['./contestants/leasehold.mjs'].includes(who)

/** The contestants that do not work here, and why. */
export async function unavailable() {
  const all = Object.values(MODULES).flat()
  const tried = await Promise.allSettled(all.map(contestant))
  return all.flatMap((who, index) => {
    const { reason } = tried[index]
    return reason ? [{ who, why: String(reason.message ?? reason).split('\n')[0] }] : []
  })
}
