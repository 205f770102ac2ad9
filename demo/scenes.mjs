// What happens to holders, by the rows of the leak table.
//
// `through` says how the lock is taken (actors/ways.mjs), `fate` what the actor does to itself (actors/part.mjs) and
// `kill` the signal that the stage sends it. `over` names the moment from which the others' wait counts. Until
// `graceMs` later, or until `maxHoldMs` after it was taken, the lock is its holder's; after `promisedMs` at the latest
// it is somebody else's. `loses` are the reasons that the holder may be given, `warns` is the code of its process's
// warning, and `status` is how that process ends; without one it lives to the end.

/** Before a lease is a second old, nobody asks whether its owner is gone. */
const collected = { warns: 'LEASEHOLD_LOCK_LEAKED', forgotten: true, over: 'struck', promisedMs: 2000 }
const throws = { fate: 'throw', threw: 'the work failed' }
const rejects = { fate: 'reject', loses: ['unhandled-rejection'], over: 'struck', promisedMs: 500 }
const stuck = { fate: 'stuck', maxHoldMs: 1000, loses: ['max-hold'], over: 'struck', promisedMs: 1000 }
const aborted = { fate: 'abort', loses: ['aborted'], over: 'struck', graceMs: 2000, promisedMs: 2000 }
const busy = { fate: 'block', length: 3000, leaseMs: 1000, over: 'leaves', status: 0 }
const blocked = { fate: 'block', maxHoldMs: 1000, over: 'struck', promisedMs: 1000 }
const employed = { script: 'employer', fate: 'wait', over: 'struck' }
const exits = { fate: 'exit', over: 'struck', status: 0 }
const crashes = { fate: 'crash', over: 'struck', status: 1 }
const killed = (signal) => ({ fate: 'wait', kill: signal, over: 'kill', status: signal })
/** Two heartbeats are two thirds of a lease. By the time it thaws, its successors may be gone, too. */
const frozen = { fate: 'late', leaseMs: 1000, over: 'kill', graceMs: 1000, promisedMs: 1667 }
const thawed = { kill: 'SIGSTOP', thaws: true, loses: ['replaced', 'removed'] }

const file = { through: 'withFileLock' }
const session = { through: 'acquireSessionWriteLock' }
const untried = { through: 'a release that an exception skips' }
const destructured = { through: 'a release taken out of its handle' }

export const SCENES = [
  { row: 1, title: 'its work throws', ...file, ...throws, over: 'leaves', status: 0 },
  { row: 2, title: 'its promise can never settle', ...file, fate: 'wait', ...collected },
  { row: 3, title: 'an exception skips its release()', ...untried, ...throws, ...collected },
  { row: 3, title: 'its destructured { release } is dropped', ...destructured, ...throws, ...collected },
  { row: 4, title: 'a rejection goes unhandled, the work hangs', ...file, ...rejects },
  { row: 5, title: 'stuck for good (maxHoldMs 1 s)', ...session, ...stuck },
  { row: 6, title: 'aborted, but goes on (abortGraceMs 2 s)', ...file, ...aborted },
  { row: 7, title: 'event loop blocked for 3 s (leaseMs 1 s)', ...file, ...busy },
  { row: 7, title: 'event loop blocked for good (maxHoldMs 1 s)', ...session, ...blocked },
  { row: 8, title: 'its worker is terminated', ...file, ...employed },
  { row: 9, title: 'process.exit() while holding', ...file, ...exits },
  { row: 9, title: 'uncaught exception while holding', ...session, ...crashes },
  { row: 9, title: 'SIGTERM while holding', ...file, ...killed('SIGTERM') },
  { row: 10, title: 'SIGKILL while holding', ...session, ...killed('SIGKILL') },
  { row: 10, title: 'SIGKILL while holding', ...file, ...killed('SIGKILL') },
  { row: 11, title: 'frozen by SIGSTOP (leaseMs 1 s)', ...session, ...frozen, ...thawed },
]
