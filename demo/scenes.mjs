// What happens to holders, by the rows of the leak table.
//
// `fate` is what the actor does (actors/part.mjs) and `kill` a signal that the stage sends it. `over`
// names the moment from which the others' wait counts: something that the actor tells, the kill, or
// the end of its `maxHoldMs`. `status` is how its process ends; without one it stays to the end.

const file = { through: 'withFileLock' }
const session = { through: 'acquireSessionWriteLock' }
const throws = { fate: 'throw', over: 'leaves', threw: 'the work failed', status: 0 }
const stuck = { fate: 'stuck', maxHoldMs: 1000, over: 'maxHold', loses: true }
const busy = { fate: 'block', length: 3000, leaseMs: 1000, over: 'leaves', status: 0 }
const blocked = { fate: 'block', maxHoldMs: 1000, over: 'maxHold' }
const employed = { script: 'employer', fate: 'wait', over: 'ends' }
const exits = { fate: 'exit', over: 'ends', status: 0 }
const crashes = { fate: 'crash', over: 'ends', status: 1 }
const killed = (signal) => ({ fate: 'wait', kill: signal, over: 'kill', status: signal })

export const SCENES = [
  { row: 1, title: 'its work throws', ...file, ...throws },
  { row: 5, title: 'stuck for good (maxHoldMs 1 s)', ...session, ...stuck },
  { row: 7, title: 'event loop blocked for 3 s (leaseMs 1 s)', ...file, ...busy },
  { row: 7, title: 'event loop blocked for good (maxHoldMs 1 s)', ...session, ...blocked },
  { row: 8, title: 'its worker is terminated', ...file, ...employed },
  { row: 9, title: 'process.exit() while holding', ...file, ...exits },
  { row: 9, title: 'uncaught exception while holding', ...session, ...crashes },
  { row: 9, title: 'SIGTERM while holding', ...file, ...killed('SIGTERM') },
  { row: 10, title: 'SIGKILL while holding', ...session, ...killed('SIGKILL') },
  { row: 10, title: 'SIGKILL while holding, once more', ...file, ...killed('SIGKILL') },
]
