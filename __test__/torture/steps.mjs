// The steps of a lock's life, each in a puppet whose system calls can be counted, refused, or cut off.
//
// A step is `{ name, thread, rules, arrange, act, fresh }`:
//
// - `arrange(stage)` prepares it, unobserved
// - `act(stage)` does it, and resolves to the victim's answer
// - `thread` does it: the main one by default
// - `rules` say what the kernel refuses throughout, for the ways that are only taken then
// - `fresh` is what the next process needs to get the lock, if that is more than one look
// - `writes` marks a step that is about replacing a file, not about its lock
//
// A `stage` has the `victim`, the `path` of the file in question, and `somebody()` else: another puppet.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { until } from '../support/index.mjs'
import { deadPid } from '../support/processes.mjs'

/** How long a victim waits: it may retry what was refused. */
const PATIENCE = 1500
/** The shortest lease there is, for steps that need beats, or their absence. */
const SHORT = 200

const NO_UNNAMED = ['linkat:error=EOPNOTSUPP']
const NO_RENAME = ['renameat2:error=EINVAL']
const NO_LINKS = ['linkat:error=EPERM', ...NO_RENAME]

const acquire = ({ victim, path }, terms) =>
  victim.tell({ do: 'acquire', name: 'lock', terms: { path, timeoutMs: PATIENCE, ...terms } })
const release = ({ victim }) => victim.tell({ do: 'release', name: 'lock' })

const dead = deadPid()

const OLD = '{"text":"old"}\n'
/** Longer than a page. */
export const NEW = `{"text":"${'new '.repeat(2000)}"}\n`

/** Another puppet takes the lock; resolves to that puppet. */
async function heldBySomebody(stage, terms) {
  const other = await stage.somebody()
  await other.tell({ do: 'acquire', name: 'lock', terms: { path: stage.path, ...terms } })
  return other
}

/** A contender that has looked once and prepared what it could. */
async function contending({ victim, path }) {
  await victim.tell({ do: 'contend', name: 'lock', terms: { path } })
  await victim.tell({ do: 'look', name: 'lock' })
}

const writeNew = (stage) => write(stage.victim, stage, NEW)

const look = ({ victim }) => victim.tell({ do: 'look', name: 'lock' })

const handOver = (name, terms) => ({
  name,
  async arrange(stage) {
    await acquire(stage)
    await stage.victim.tell({ do: 'request', name: 'next', terms: { path: stage.path, ...terms } })
  },
  async act(stage) {
    await release(stage)
    return (await stage.victim.event('settled')).outcome
  },
  lock: 'next',
})

export const STEPS = [
  { name: 'acquire', act: acquire },
  { name: 'acquire by a private name', rules: NO_UNNAMED, act: acquire },
  {
    name: 'acquire by a private name and a link',
    rules: ['linkat:error=EOPNOTSUPP:when=1', ...NO_RENAME],
    act: acquire,
  },
  // The only way that involves an empty file: if its maker dies then, others wait until the file is old.
  { name: 'acquire without links', rules: NO_LINKS, fresh: { staleMs: 300, timeoutMs: 10_000 }, act: acquire },
  { name: 'check', arrange: acquire, act: ({ victim }) => victim.tell({ do: 'check', name: 'lock' }) },
  { name: 'release', arrange: acquire, act: release },
  {
    name: 'take over from a dead JavaScript lock',
    arrange: ({ path }) =>
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: dead, createdAt: new Date().toISOString() })),
    act: acquire,
  },
  {
    name: 'take over from a killed holder',
    async arrange(stage) {
      const other = await heldBySomebody(stage)
      other.kill()
      await other.exit
    },
    act: acquire,
  },
  {
    name: 'take over from a holder that releases',
    async arrange(stage) {
      const other = await heldBySomebody(stage)
      await contending(stage)
      await other.tell({ do: 'release', name: 'lock' })
    },
    act: look,
  },
  {
    name: 'supersede a frozen holder',
    // If the frozen holder was not superseded, the next process has to watch it, too.
    fresh: { timeoutMs: 10_000 },
    async arrange(stage) {
      const other = await heldBySomebody(stage, { leaseMs: SHORT })
      other.kill('SIGSTOP')
      await contending(stage)
      // A gap between two looks counts as a second of watching at most, and a lease and two beats are less.
      await new Promise((resolve) => setTimeout(resolve, 3 * SHORT))
    },
    act: look,
  },
  {
    name: 'acquire a kept file',
    arrange: async (stage) => void (await acquire(stage, { keepFile: true }), await release(stage)),
    act: (stage) => acquire(stage, { keepFile: true }),
  },
  {
    name: 'release a kept file',
    arrange: (stage) => acquire(stage, { keepFile: true }),
    act: release,
  },
  handOver('hand over inside the process'),
  // Its record has to say so, for others take a lock away by it.
  handOver('hand over to a task with another lease', { leaseMs: 20_000 }),
  {
    name: 'beat',
    thread: 'leasehold-heart',
    act: async (stage) => {
      const answer = await acquire(stage, { leaseMs: SHORT })
      await stage.asked(8)
      return answer
    },
  },
  {
    name: 'beat after a hand-over',
    thread: 'leasehold-heart',
    async act(stage) {
      await acquire(stage, { leaseMs: SHORT })
      await stage.victim.tell({ do: 'request', name: 'next', terms: { path: stage.path, leaseMs: SHORT } })
      await release(stage)
      const { outcome } = await stage.victim.event('settled')
      await stage.asked(8)
      return outcome
    },
    lock: 'next',
  },
  {
    name: 'remove what a release left',
    thread: 'leasehold-heart',
    rules: ['unlinkat:error=EIO:when=1'],
    async arrange(stage) {
      await acquire(stage)
      stage.refusal = await stage.refuse(['unlinkat:error=EIO'])
    },
    async act(stage) {
      const answer = await release(stage)
      await stage.refusal.stop()
      await stage.asked(12)
      return answer.code === 'file_lock_not_removed' ? { released: true } : answer
    },
  },
  {
    name: 'wait for another process',
    thread: 'leasehold-looko',
    /** How often it looks depends on timing: which calls it makes is known, how many of them is not. */
    varies: true,
    async arrange(stage) {
      stage.other = await heldBySomebody(stage)
    },
    async act({ victim, path, other }) {
      const terms = { path, timeoutMs: PATIENCE }
      await victim.tell({ do: 'request', name: 'lock', terms })
      // By now it has made itself known, or never will.
      await new Promise((resolve) => setTimeout(resolve, 30))
      await other.tell({ do: 'release', name: 'lock' })
      return (await victim.event('settled')).outcome
    },
    settle: ({ other }) => other.tell({ do: 'release', name: 'lock' }),
  },
  { name: 'create a JSON file', writes: true, act: writeNew },
  { name: 'create a JSON file by a private name', writes: true, rules: NO_UNNAMED, act: writeNew },
  {
    name: 'replace a JSON file',
    writes: true,
    arrange: ({ path }) => writeFileSync(path, OLD),
    act: writeNew,
  },
  {
    name: 'replace a JSON file by a private name',
    writes: true,
    rules: NO_UNNAMED,
    arrange: ({ path }) => writeFileSync(path, OLD),
    act: writeNew,
  },
]

/** Makes `who` replace the file. */
export function write(who, { path }, text) {
  return who.tell({ do: 'write', path, text })
}

/** What the file says: `old`, `new`, nothing, or something that nobody wrote. */
export function content({ path }) {
  if (!existsSync(path)) return 'nothing'
  const text = readFileSync(path, 'utf8')
  return { [OLD]: 'old', [NEW]: 'new' }[text] ?? `torn: ${text.slice(0, 40)}`
}

/** Waits until a thread has made `count` calls, or `PATIENCE` is over: it may have no need to make that many. */
export async function asked(tracing, count, victim) {
  let ended = false
  void victim.exit.then(() => (ended = true))
  const began = performance.now()
  await until(() => ended || tracing.calls().length >= count || performance.now() - began > PATIENCE)
}
