// Web Locks: for the threads of one process, and no file.

const { locks } = globalThis.navigator ?? {}
if (!locks) throw new Error('this Node has no navigator.locks: 24.5 and newer do')

const run = (path, work) => locks.request(path, work)

export const runs = { 'navigator.locks': run }
