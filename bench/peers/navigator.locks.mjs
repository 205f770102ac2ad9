// Web Locks: for the threads of one process, and no file.

const { locks } = globalThis.navigator ?? {}
if (!locks) throw new Error('navigator.locks needs Node 24.5 or newer')

const run = (path, work) => locks.request(path, work)

export const runs = { 'navigator.locks': run }
