/**
 * File locks that cannot leak.
 *
 * A lock protects a file, the *target*; on disk it is the file `<target>.lock` beside it. All times are in
 * milliseconds. Every wrong option is refused with a `TypeError` or `RangeError` that names it, before anything
 * happens (`acquireSessionWriteLock` is lenient about numbers, as its callers expect).
 *
 * @packageDocumentation
 */

declare global {
  // What lib.esnext.disposable declares, for compilations without it.
  interface SymbolConstructor {
    readonly dispose: unique symbol
    readonly asyncDispose: unique symbol
  }
}

// Asking for a lock

/**
 * How long a caller would have kept trying, in the words of retrying locks. leasehold waits for events instead of
 * retrying, so these only bound the wait: by the sum of all gaps, each as long as chance could have made it.
 */
export interface FileLockRetryOptions {
  /** How many gaps there are at most. Absent: `retries` sets no bound. */
  retries?: number | undefined
  /** By what each gap is longer than the one before. @defaultValue 1 */
  factor?: number | undefined
  /** The first gap, in milliseconds. @defaultValue 50 */
  minTimeout?: number | undefined
  /** The longest gap, in milliseconds. @defaultValue 1000, or `minTimeout` if that is more */
  maxTimeout?: number | undefined
  /** Whether chance may double a gap, up to `maxTimeout`. @defaultValue false */
  randomize?: boolean | undefined
}

/**
 * What to do about a lock of OpenClaw's JavaScript that looks stale.
 *
 * - `"remove-if-unchanged"`: take it over when its process is gone or it is older than `stale`
 * - `"remove-if-definitely-stale"`: take it over only when its process is certainly gone; its age proves nothing
 * - `"fail-closed"`: never take it over; fail with a {@link FileLockStaleError}
 */
export type StaleRecovery = 'remove-if-unchanged' | 'remove-if-definitely-stale' | 'fail-closed'

/** Options of {@link acquireFileLock} and of the synchronous functions. All may be left out. */
export interface FileLockOptions {
  /**
   * How long to wait for the lock, in milliseconds. `0` asks once, `Infinity` waits as long as it takes. Where
   * `retries` sets a bound too, the tighter one counts.
   *
   * @defaultValue 10000, unless `retries` sets a bound
   */
  timeoutMs?: number | undefined
  /** Another way to bound the wait, as OpenClaw's callers do. */
  retries?: FileLockRetryOptions | undefined
  /**
   * Gives up waiting when it aborts; the call rejects with `signal.reason`. A lock that is held already is kept, but
   * see {@link WithFileLockOptions.abortGraceMs}.
   */
  signal?: AbortSignal | undefined
  /**
   * The longest this lock may be held, in milliseconds; then it is taken away from its holder, who is told (see
   * {@link FileLockHandle.signal}). Even a blocked event loop does not delay that. `Infinity` for no limit.
   *
   * @defaultValue 300000
   */
  maxHoldMs?: number | undefined
  /**
   * For how long this process may stand still (stopped, or its machine suspended) before another one may take the
   * lock, in milliseconds, from 200 to 3600000. A busy or blocked event loop is no standstill.
   *
   * @defaultValue 30000
   */
  leaseMs?: number | undefined
  /** What the work is called in error messages and reports; at most 200 characters. */
  label?: string | undefined
  /**
   * Leaves the lock file in place when the lock is given up, which is faster. Only for files that nothing but
   * leasehold locks: for other locks a file that stays is a lock that stays.
   *
   * @defaultValue false
   */
  keepLockFile?: boolean | undefined
  /**
   * From what age, in milliseconds, a lock of OpenClaw's JavaScript counts as stale although its process lives.
   * A lock file that cannot be read counts as stale when it has not changed for this long, or for 30000 if that is
   * less. Locks of leasehold are not judged by their age.
   *
   * @defaultValue 30000
   */
  stale?: number | undefined
  /** What to do about a stale one. @defaultValue "remove-if-unchanged" */
  staleRecovery?: StaleRecovery | undefined
  /**
   * Shares the lock with every caller in this process that names the same owner. Without it, only calls made inside
   * the work that holds the lock share it; all others queue.
   */
  reentrantOwner?: string | undefined
  /**
   * A veto, called with the path before the lock is asked for, before a stale lock is taken over, once the lock is
   * had, and at each release. A throw refuses the step: a stale lock is left alone, a lock just had is given back, one
   * to be released stays held and can be released again.
   */
  assertResourceUnborrowed?: ((targetPath: string) => void) | undefined
}

/** Options of {@link withFileLock}: those of the others, and what concerns work that goes on for too long. */
export interface WithFileLockOptions extends FileLockOptions {
  /**
   * For how long `fn` may go on after `signal` has aborted, in milliseconds; then the lock is taken away from it, and
   * from all calls inside it. Others that share the lock keep it, and `fn` does for as long as they do.
   *
   * @defaultValue 2000
   */
  abortGraceMs?: number | undefined
  /**
   * What to do when a promise made inside `fn` rejects, nobody handles that for 500 ms, `fn` has not settled, and the
   * process survives it because it listens for unhandled rejections or uncaught exceptions: take the lock away, or
   * leave `fn` alone. What a call inside `fn` left behind when it ended does not count, nor does a promise that was
   * made elsewhere and is only rejected in `fn`. The calls around `fn` lose their locks with it, unless they ignore it.
   *
   * @defaultValue "release"
   */
  onUnhandledRejection?: 'release' | 'ignore' | undefined
}

/**
 * Parameters of {@link acquireSessionWriteLock}. `timeoutMs`, `staleMs` and `maxHoldMs` fall back to their defaults
 * when they are no numbers, zero or negative.
 */
export interface SessionWriteLockParams {
  /** The file to lock. */
  sessionFile: string
  /**
   * How long to wait, in milliseconds; `Infinity` for as long as it takes.
   *
   * @defaultValue the environment variable `OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS`, or 10000
   */
  timeoutMs?: number | undefined
  /**
   * As {@link FileLockOptions.stale}, in milliseconds.
   *
   * @defaultValue the environment variable `OPENCLAW_SESSION_WRITE_LOCK_STALE_MS`, or 300000
   */
  staleMs?: number | undefined
  /**
   * As {@link FileLockOptions.maxHoldMs}, in milliseconds; `Infinity` falls back too.
   *
   * @defaultValue the environment variable `OPENCLAW_SESSION_WRITE_LOCK_MAX_HOLD_MS`, or 300000
   */
  maxHoldMs?: number | undefined
  /**
   * Whether to share the lock with every other session caller of this process that allows it; it is free when the
   * last of them releases it. `false` queues behind them.
   *
   * @defaultValue true
   */
  allowReentrant?: boolean | undefined
  /** As {@link FileLockOptions.signal}. */
  signal?: AbortSignal | undefined
  /** As {@link FileLockOptions.leaseMs}; a value out of range is refused. @defaultValue 30000 */
  leaseMs?: number | undefined
  /** As {@link FileLockOptions.label}. */
  label?: string | undefined
}

/** As below, with default options. */
export function withFileLock<T>(path: string, fn: (handle: FileLockHandle) => T | PromiseLike<T>): Promise<T>

/**
 * Runs `fn` while holding the lock of `path`, and releases it when `fn` is done, however it ends.
 *
 * A call made inside `fn` (in the same chain of async calls) for the same file shares the lock. Any other task of
 * this process queues, first come first served. Other processes wait too: on Linux the one that has waited for longest
 * goes first, as far as they know of each other; elsewhere nobody in particular does.
 *
 * @param path - the file to protect. It need not exist; its directory is created if it is missing. The path is
 *   resolved like `path.resolve`, symbolic links in its directory are followed, a link in the last place is not.
 * @param options - see {@link WithFileLockOptions}
 * @param fn - the work; it is given the handle of the lock
 * @returns what `fn` returned
 * @throws FileLockTimeoutError - somebody held the lock for as long as the caller would wait
 * @throws FileLockStaleError - it is stale, and `staleRecovery` forbids taking it over
 * @throws LockDeadlockError - waiting could only have ended in a timeout
 * @throws NotALockFileError - a directory, symbolic link, FIFO or the like stands at the lock path
 * @throws LockLostError - the lock was taken away while `fn` ran, whether `fn` succeeded or not; if `fn` failed,
 *   `cause` is its error
 * @throws AggregateError - `fn` failed and so did the release: `errors` has both, in this order
 * @throws TypeError, RangeError - the path, an option or `fn` is wrong
 * @throws whatever `fn` throws, the `reason` of an aborted `signal`, and errors of the file system with their `code`
 *   (`EACCES` and so on)
 *
 * @example
 * ```js
 * import { withFileLock } from 'leasehold'
 * import { readFile, writeFile } from 'node:fs/promises'
 *
 * await withFileLock('counter.txt', async () => {
 *   const count = Number(await readFile('counter.txt', 'utf8').catch(() => 0))
 *   await writeFile('counter.txt', String(count + 1))
 * })
 * ```
 */
export function withFileLock<T>(
  path: string,
  options: WithFileLockOptions | undefined,
  fn: (handle: FileLockHandle) => T | PromiseLike<T>,
): Promise<T>

/**
 * Acquires the lock of `path`, to be released by `await handle.release()` in a `finally`.
 *
 * Prefer {@link withFileLock} where the work is one function: there nothing can be forgotten. Calls for the same file
 * made while this lock is held queue, whoever makes them: pass the handle along instead.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}
 * @throws as {@link withFileLock}, but for what concerns `fn`
 *
 * @example
 * ```js
 * import { acquireFileLock } from 'leasehold'
 *
 * const lock = await acquireFileLock('settings.json', { timeoutMs: 2000, label: 'save settings' })
 * try {
 *   lock.assertHeld()
 *   // … write settings.json …
 * } finally {
 *   await lock.release()
 * }
 * ```
 */
export function acquireFileLock(path: string, options?: FileLockOptions): Promise<FileLockHandle>

/** As below, with default options. */
export function withFileLockSync<T>(path: string, fn: (handle: FileLockHandle) => T): T

/**
 * As {@link withFileLock}, without promises: blocks this thread until the lock is had or the time is over.
 *
 * A task of this same thread that holds the lock could never finish meanwhile, so that is a
 * {@link LockDeadlockError} at once.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}; a `signal` counts only if it has aborted already
 * @param fn - the work. It must not return a promise: that is a `TypeError`, thrown after the release
 * @returns what `fn` returned
 * @throws as {@link withFileLock}
 *
 * @example
 * ```js
 * import { withFileLockSync } from 'leasehold'
 * import { appendFileSync } from 'node:fs'
 *
 * withFileLockSync('log.txt', { timeoutMs: 500 }, () => appendFileSync('log.txt', 'one line\n'))
 * ```
 */
export function withFileLockSync<T>(
  path: string,
  options: FileLockOptions | undefined,
  fn: (handle: FileLockHandle) => T,
): T

/**
 * As {@link acquireFileLock}, but blocks this thread until the lock is had or the time is over. Release it with
 * {@link FileLockHandle.releaseSync}, or with `using` where the syntax is there.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}; a `signal` counts only if it has aborted already
 * @throws as {@link acquireFileLock}; {@link LockDeadlockError} also when a task of this thread holds the lock
 *
 * @example
 * ```js
 * import { acquireFileLockSync } from 'leasehold'
 *
 * const lock = acquireFileLockSync('state.json')
 * try {
 *   // … synchronous work on state.json …
 * } finally {
 *   lock.releaseSync()
 * }
 * ```
 */
export function acquireFileLockSync(path: string, options?: FileLockOptions): FileLockHandle

/**
 * Acquires the write lock of a session file, under the contract of OpenClaw's function of this name: shared by the
 * callers of one process unless `allowReentrant` is `false`, and lenient about numbers.
 *
 * @param params - see {@link SessionWriteLockParams}
 * @throws SessionWriteLockTimeoutError - somebody held the lock for as long as the caller would wait
 * @throws NotALockFileError - a directory, symbolic link, FIFO or the like stands at the lock path
 * @throws LockDeadlockError - with `allowReentrant: false`, inside the `fn` of a {@link withFileLock} of the same file
 * @throws TypeError, RangeError - a parameter is wrong
 * @throws the `reason` of an aborted `signal`, and errors of the file system with their `code`
 *
 * @example
 * ```js
 * import { acquireSessionWriteLock } from 'leasehold'
 *
 * const lock = await acquireSessionWriteLock({ sessionFile: 'sessions/abc.jsonl', timeoutMs: 10_000 })
 * try {
 *   await lock.appendFile(`${JSON.stringify({ role: 'user', content: 'hello' })}\n`)
 * } finally {
 *   await lock.release()
 * }
 * ```
 */
export function acquireSessionWriteLock(params: SessionWriteLockParams): Promise<FileLockHandle>

// Holding one

/** From what state a lock was recovered that nobody had released. */
export type RecoveryCause =
  /** Its leasehold process died; the kernel gave its lock back. */
  | 'owner-died'
  /** The machine was rebooted since. */
  | 'rebooted'
  /** Its process stood still for longer than its lease. */
  | 'lease-expired'
  /** Its recorded process does not exist. */
  | 'dead-pid'
  /** Its recorded pid belongs to a younger process by now. */
  | 'recycled-pid'
  /** It carried the pid of this process, and nothing here held it. */
  | 'orphan-self-pid'
  /** It was not leasehold's, and older than `stale`. */
  | 'too-old'
  /** It named no process, and had not changed for too long. */
  | 'missing-pid'
  /** It had no valid date, and had not changed for too long. */
  | 'invalid-createdAt'

/**
 * A lock that is held. The acquiring functions make it; it cannot be constructed.
 *
 * The lock lives as long as the handle can be reached, at most: when the garbage collector finds that nothing refers
 * to it any more, nor to its `release` or its `signal`, the lock is given back. While somebody waits for the lock, the
 * collector is asked to look. A lock for as long as the process lives has to be kept somewhere: a variable that no
 * function uses any more keeps nothing, nor does a signal that `AbortSignal.any` made of its `signal`.
 */
export class FileLockHandle {
  private constructor()

  /** The lock file. */
  readonly lockPath: string

  /**
   * Gives the lock back. The first call counts, later ones wait for the same outcome, and none ever touches the lock
   * of a successor. A property of its own, so `const { release } = await acquireFileLock(…)` works.
   *
   * @throws LockError - with code `file_lock_not_removed`: the lock is free, but its file could not be removed yet;
   *   the removal is tried again in the background
   */
  readonly release: () => Promise<void>

  /** As {@link release}, at once. On network file systems the outcome is not waited for. */
  releaseSync(): void

  /**
   * The fencing token: a later owner of the same file has a larger one, in hand-overs and takeovers for certain, and
   * by the wall clock in nanoseconds where the lock file was removed in between (as an ordinary release does).
   */
  get token(): bigint

  /** Whether the lock is held, as far as is known without asking the file system. */
  get held(): boolean

  /**
   * Aborts with a {@link LockLostError} when the lock is taken away. A release does not abort it.
   *
   * @example
   * ```js
   * await withFileLock('feed.json', async ({ signal }) => {
   *   const response = await fetch('https://example.com/feed.json', { signal })
   *   // …
   * })
   * ```
   */
  get signal(): AbortSignal

  /** From what state the lock was recovered; `null` when it was free. */
  get recoveredFrom(): RecoveryCause | null

  /**
   * Asks the file system whether the lock is still held (on network file systems, which can hang, the last heartbeat
   * is asked instead). Call it right before anything that must not happen without the lock.
   *
   * @throws LockLostError - it was taken away
   * @throws LockError - with code `file_lock_released`: it was released
   *
   * @example
   * ```js
   * lock.assertHeld()
   * renameSync('settings.json.new', 'settings.json')
   * ```
   */
  assertHeld(): void

  /**
   * Appends to the protected file after making sure that the lock is still held; the file is created, with mode 0600,
   * if it is missing. Calls are done in order.
   *
   * @param data - text, written as UTF-8, or bytes; nothing is added to it
   * @throws as {@link assertHeld}, and errors of the file system with their `code`
   *
   * @example
   * ```js
   * await lock.appendFile(`${JSON.stringify(message)}\n`)
   * ```
   */
  appendFile(data: string | Uint8Array): Promise<void>

  /** For `using`: {@link releaseSync}. */
  [Symbol.dispose](): void

  /** For `await using`: {@link release}. */
  [Symbol.asyncDispose](): Promise<void>
}

// Looking at locks

/** Whom a lock belongs to, as far as its record tells. */
export interface LockOwner {
  /** The recorded process. */
  pid?: number
  /** Whether that process lives; absent when it cannot be known from here. */
  alive?: boolean
  /** Where it lives. Other namespaces are containers of this machine; `other-host` may be this one before a reboot. */
  place: 'this-process' | 'other-process' | 'other-namespace' | 'other-host' | 'unknown'
  /** When it took the lock, in ISO 8601. */
  since?: string
  /** For how long it has had it, in milliseconds. */
  ageMs?: number
  /** Whether it is a leasehold process. */
  native: boolean
  /** What it called its work. */
  label?: string
  /** Its host name, if it is a leasehold process. */
  host?: string
  /**
   * The fencing token in its record. After hand-overs inside its process, the token of its handle may be larger than
   * the one on disk, and never reaches that of the next owner.
   */
  token?: bigint
}

/** One lock that this process holds. */
export interface HeldLock {
  /** Its number in this process. */
  lease: number
  /** The lock file. */
  lockPath: string
  /** The protected file. */
  targetPath: string
  /** The fencing token. */
  token: bigint
  /** When it was acquired, in ISO 8601. */
  since: string
  /** For how long it has been held, in milliseconds. */
  heldForMs: number
  /** The longest it may be held, in milliseconds; absent for no limit. */
  maxHoldMs?: number
  /** What its work is called. */
  label?: string
  /** How many handles share it. */
  handles: number
  /** Whether it was acquired in this thread (the main thread or this worker). */
  inThisThread: boolean
  /** Which kind of function acquired it. */
  kind: 'file' | 'session'
}

/** What stands at a lock path. */
export interface LockInspection {
  /** The lock file. */
  lockPath: string
  /** The protected file. */
  targetPath: string
  /** Whether there is a lock file. */
  exists: boolean
  /** Whether it says that somebody holds the lock. That one may be dead: see {@link LockOwner.alive}. */
  held: boolean
  /** Who; absent when nobody holds it. */
  owner?: LockOwner
  /** Whether a lock of the operating system backs it; absent for other kinds of lock than leasehold's. */
  osLock?: boolean
  /** When the lock file last changed, in ISO 8601: the last heartbeat of a leasehold process. */
  lastBeat?: string
  /** How long ago that was, in milliseconds. */
  lastBeatAgeMs?: number
  /** Its {@link FileLockOptions.leaseMs}; absent for other kinds of lock than leasehold's. */
  leaseMs?: number
  /** Whether it is on a network, FUSE or unknown file system. */
  remote: boolean
}

/**
 * Every lock that this process holds, those of its workers included, in no particular order.
 *
 * @example
 * ```js
 * import { heldLocks } from 'leasehold'
 *
 * for (const { lockPath, label, heldForMs } of heldLocks()) console.log(lockPath, label, heldForMs)
 * ```
 */
export function heldLocks(): HeldLock[]

/**
 * Looks at the lock of `path` without asking for it; creates and changes nothing.
 *
 * @param path - the protected file, not its lock file
 * @throws NotALockFileError - something else than a regular file stands at the lock path
 * @throws TypeError - the path is no string, or cannot name a file
 * @throws errors of the file system with their `code`, when the lock file is there and cannot be read
 *
 * @example
 * ```js
 * import { inspectLock } from 'leasehold'
 *
 * const { held, owner } = await inspectLock('sessions/abc.jsonl')
 * if (held) console.log(`held by ${owner.pid} since ${owner.since}`)
 * ```
 */
export function inspectLock(path: string): Promise<LockInspection>

/**
 * Takes every lock of this process away from its holder, at once: for handlers of fatal errors and for restarts inside
 * the process. The holders learn of it as of any other loss. In a worker, only its own locks are taken.
 *
 * At the end of a process it need not be called: locks go with the process.
 *
 * @returns how many locks there were
 *
 * @example
 * ```js
 * import { releaseAllLocksSync } from 'leasehold'
 *
 * process.on('SIGUSR1', () => {
 *   releaseAllLocksSync()
 *   restart()
 * })
 * ```
 */
export function releaseAllLocksSync(): number

// Lock files that nobody will come back for

/** A session's lock file, by the rules of OpenClaw's JavaScript. */
export type SessionLockInspection = {
  /** The lock file. */
  lockPath: string
  /** The recorded process. */
  pid: number | null
  /** Whether it lives. */
  pidAlive: boolean
  /** When its owner says it created the lock; a leasehold process says it anew all the time. */
  createdAt: string | null
  /** How long ago that was, in milliseconds. */
  ageMs: number | null
  /** Whether there is any reason to call it stale. */
  stale: boolean
  /**
   * Which: `missing-pid`, `dead-pid`, `recycled-pid`, `invalid-createdAt`, `too-old` or `orphan-self-pid`, or for
   * locks of leasehold `owner-died` or `rebooted` where those do not say it.
   */
  staleReasons: string[]
  /** Whether it was removed. */
  removed: boolean
}

/** Tells the command line of a process, for OpenClaw's own {@link cleanStaleLockFiles}. */
export type SessionLockOwnerProcessArgsReader = (pid: number) => string[] | null

/**
 * Looks at every session lock file of a directory (`*.jsonl.lock`), and removes those that are stale.
 *
 * A lock that a leasehold process holds is never stale, whatever its age. A lock of OpenClaw's JavaScript is by
 * its own rules; one that says too little may be in the making, and is kept until it has not changed for `staleMs` or
 * 30 seconds. A lock file is removed by taking the lock and giving it up again, so nobody loses one that he just got.
 *
 * @param params.sessionsDir - the directory; a missing one is an empty one
 * @param params.staleMs - from what age a lock of OpenClaw's JavaScript counts as stale although its process lives;
 *   what makes no sense counts as absent. By default what {@link resolveSessionWriteLockStaleMs} says
 * @param params.config - the configuration that this default is taken from
 * @param params.env - the environment that it is taken from instead of that of the process
 * @param params.removeStale - `false` only looks
 * @param params.nowMs - the time to judge by
 * @param params.readOwnerProcessArgs - never called: what lives is left alone, whatever its command line says
 * @param params.log - its `warn` is told of each removal
 * @returns all lock files by name, and those of them that were removed
 * @throws TypeError - a parameter is wrong
 * @throws errors of the file system with their `code`, when the directory cannot be read
 *
 * @example
 * ```js
 * import { cleanStaleLockFiles } from 'leasehold'
 *
 * const { locks, cleaned } = await cleanStaleLockFiles({ sessionsDir: 'sessions', staleMs: 1_800_000, log: console })
 * console.log(`${cleaned.length} of ${locks.length} locks were stale`)
 * ```
 */
export function cleanStaleLockFiles(params: {
  sessionsDir: string
  staleMs?: number | undefined
  config?: SessionWriteLockAcquireTimeoutConfig | undefined
  env?: Record<string, string | undefined> | undefined
  removeStale?: boolean | undefined
  nowMs?: number | undefined
  readOwnerProcessArgs?: SessionLockOwnerProcessArgsReader | undefined
  log?: { warn?: ((message: string) => void) | undefined; info?: ((message: string) => void) | undefined } | undefined
}): Promise<{ locks: SessionLockInspection[]; cleaned: SessionLockInspection[] }>

/** What became of a lock file: there was none, it is gone, or it stands because somebody has the lock, or may. */
export type StaleFileLockReclaimResult = 'missing' | 'removed' | 'retained'

/**
 * Removes a lock file whose owner is certainly gone. Everything else is left as it is: whatever may belong to a process
 * that lives, cannot be read, or is no regular file.
 *
 * @param lockPath - the lock file itself, whatever it is called
 * @throws TypeError - the path is no string, or cannot name a file
 * @throws LockError - with code `file_lock_not_removed`: it could not be removed yet, and that is tried again
 * @throws errors of the file system with their `code`, when the lock file is there and cannot be read
 *
 * @example
 * ```js
 * import { reclaimDefinitelyStaleFileLock } from 'leasehold'
 *
 * if ((await reclaimDefinitelyStaleFileLock('state.json.lock')) === 'retained') console.log('somebody may need it')
 * ```
 */
export function reclaimDefinitelyStaleFileLock(lockPath: string): Promise<StaleFileLockReclaimResult>

// How long session locks may take, in OpenClaw's words

/**
 * The `maxHoldMs` for work that has a timeout of its own: that and a grace, but no less than a minimum, and no more
 * than 2147000000. What makes no sense counts as absent.
 *
 * @param params.timeoutMs - the timeout of the work; absent, it counts as `minMs`
 * @param params.graceMs - by default 120000
 * @param params.minMs - by default 300000
 *
 * @example
 * ```js
 * import { acquireSessionWriteLock, resolveSessionLockMaxHoldFromTimeout } from 'leasehold'
 *
 * const maxHoldMs = resolveSessionLockMaxHoldFromTimeout({ timeoutMs: 600_000 }) // 720000
 * const lock = await acquireSessionWriteLock({ sessionFile: 'sessions/abc.jsonl', maxHoldMs })
 * await lock.release()
 * ```
 */
export function resolveSessionLockMaxHoldFromTimeout(params: {
  timeoutMs: number
  graceMs?: number | undefined
  minMs?: number | undefined
}): number

/** The part of OpenClaw's configuration that is about session locks. */
export type SessionWriteLockAcquireTimeoutConfig = {
  session?:
    | {
        writeLock?:
          | {
              acquireTimeoutMs?: number | undefined
              staleMs?: number | undefined
              maxHoldMs?: number | undefined
            }
          | undefined
      }
    | undefined
}

/**
 * The `timeoutMs` that OpenClaw 2026.5 and later would use: what the environment variable
 * `OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS` says, or the configuration, or 60000.
 *
 * @example
 * ```js
 * import { resolveSessionWriteLockAcquireTimeoutMs } from 'leasehold'
 *
 * const timeoutMs = resolveSessionWriteLockAcquireTimeoutMs({ session: { writeLock: { acquireTimeoutMs: 5_000 } } })
 * ```
 */
export function resolveSessionWriteLockAcquireTimeoutMs(
  config?: SessionWriteLockAcquireTimeoutConfig,
  env?: Record<string, string | undefined>,
): number

/**
 * The same for all three, where `staleMs` is 1800000 and `maxHoldMs` is `maxHoldMsFallback` or 300000 if nothing is
 * said.
 *
 * @example
 * ```js
 * import { acquireSessionWriteLock, resolveSessionWriteLockOptions } from 'leasehold'
 *
 * const options = resolveSessionWriteLockOptions({ session: { writeLock: { staleMs: 60_000 } } })
 * const lock = await acquireSessionWriteLock({ sessionFile: 'sessions/abc.jsonl', ...options })
 * await lock.release()
 * ```
 */
export function resolveSessionWriteLockOptions(
  config?: SessionWriteLockAcquireTimeoutConfig,
  params?: { env?: Record<string, string | undefined> | undefined; maxHoldMsFallback?: number | undefined },
): { timeoutMs: number; staleMs: number; maxHoldMs: number }

/**
 * The `staleMs` of these alone.
 *
 * @example
 * ```js
 * import { resolveSessionWriteLockStaleMs } from 'leasehold'
 *
 * const staleMs = resolveSessionWriteLockStaleMs({ session: { writeLock: { staleMs: 60_000 } } })
 * ```
 */
export function resolveSessionWriteLockStaleMs(
  config?: SessionWriteLockAcquireTimeoutConfig,
  env?: Record<string, string | undefined>,
): number

// For test suites

/**
 * Takes away every lock that {@link withFileLock}, {@link acquireFileLock} and the synchronous functions have acquired,
 * ends the waiting for such locks in timeouts, and takes the listeners for exit and signals away if nothing needs
 * them any more. In a worker, only its own locks.
 *
 * @example
 * ```js
 * import { resetFileLockStateForTest } from 'leasehold'
 * import { afterEach } from 'node:test'
 *
 * afterEach(() => resetFileLockStateForTest())
 * ```
 */
export function resetFileLockStateForTest(): void

/**
 * As {@link resetFileLockStateForTest}.
 *
 * @example
 * ```js
 * import { drainFileLockStateForTest } from 'leasehold'
 * import { afterEach } from 'node:test'
 *
 * afterEach(() => drainFileLockStateForTest())
 * ```
 */
export function drainFileLockStateForTest(): Promise<void>

/**
 * As {@link resetFileLockStateForTest}, for the locks of {@link acquireSessionWriteLock}.
 *
 * @example
 * ```js
 * import { resetSessionWriteLockStateForTest } from 'leasehold'
 * import { afterEach } from 'node:test'
 *
 * afterEach(() => resetSessionWriteLockStateForTest())
 * ```
 */
export function resetSessionWriteLockStateForTest(): void

/**
 * As {@link resetSessionWriteLockStateForTest}.
 *
 * @example
 * ```js
 * import { drainSessionWriteLockStateForTest } from 'leasehold'
 * import { afterEach } from 'node:test'
 *
 * afterEach(() => drainSessionWriteLockStateForTest())
 * ```
 */
export function drainSessionWriteLockStateForTest(): Promise<void>

/** What OpenClaw's own test suites look at. */
export const __testing: {
  /** The signals that release all locks. */
  cleanupSignals: ('SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGABRT' | 'SIGHUP' | 'SIGBREAK')[]
  /** Does what the arrival of a signal does: all locks go, and if nobody else listens, so does the process. */
  handleTerminationSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGABRT' | 'SIGHUP' | 'SIGBREAK'): void
  /** As {@link releaseAllLocksSync}, without a count. */
  releaseAllLocksSync(): void
  /**
   * Takes away the session locks that would be held too long at `nowMs`, without waiting for the watchdog. Resolves to
   * how many it has taken away since the last call, those included.
   */
  runLockWatchdogCheck(nowMs?: number): Promise<number>
}

// JSON files

/** Options of {@link writeJsonFileAtomically} and {@link saveJsonFile}. */
export interface WriteJsonOptions {
  /**
   * A lock that the write depends on, of this file or of another one: unless it is still held immediately before the
   * file is replaced, nothing is written and the call fails with a {@link LockLostError}.
   */
  lock?: FileLockHandle | undefined
  /**
   * Whether to wait until the disk has the file and its name, so that they survive a power cut. Without it, a crash of
   * the machine may leave the old content, or on some file systems an empty file.
   *
   * @defaultValue true
   */
  durable?: boolean | undefined
}

/** Options of {@link updateJsonFile}. */
export interface UpdateJsonOptions extends WithFileLockOptions {
  /** As {@link WriteJsonOptions.durable}. @defaultValue true */
  durable?: boolean | undefined
}

/**
 * Reads a JSON file. It never fails because of what it finds: a file that cannot be read (no rights, a directory, a
 * FIFO) or parsed, and one that says `null`, yields the fallback, and `exists` is `true`. A symbolic link is followed.
 *
 * @param path - the file
 * @param fallback - what to return where there is no value
 * @returns the value, and whether there is something at the path
 * @throws TypeError - the path cannot name a file
 *
 * @example
 * ```js
 * import { readJsonFileWithFallback } from 'leasehold'
 *
 * const { value, exists } = await readJsonFileWithFallback('settings.json', { theme: 'dark' })
 * ```
 */
export function readJsonFileWithFallback<T>(path: string, fallback: T): Promise<{ value: T; exists: boolean }>

/**
 * Writes a value as JSON, indented by two spaces and with a newline at the end. The file is replaced as a whole:
 * whoever reads it sees the old content or the new one, and so does whoever reads it after a crash or a kill.
 *
 * An existing file keeps its mode, and its owner and group where this process may give files away; its access-control
 * lists and its other names (hard links) are not kept. A new file has mode 0600, and directories that are missing are
 * created with mode 0700. Writes of this process to one file are done in the order of the calls.
 *
 * @param path - the file. Symbolic links in its directory are followed, a link in the last place is refused
 * @param value - what `JSON.stringify` can write
 * @param options - see {@link WriteJsonOptions}
 * @throws LockLostError - `lock` was taken away; nothing has changed
 * @throws LockError - with code `file_lock_released`: `lock` was released; nothing has changed
 * @throws JsonFileError - a directory, symbolic link, FIFO or the like stands at the path; it was left as it is
 * @throws TypeError - an argument is wrong, or the value cannot be written as JSON; nothing has changed
 * @throws errors of the file system with their `code` (`ENOSPC`, `EROFS` and so on): the old content is still there.
 *   Only if it is the directory that could not be synced (`path` says so), the new content is
 *
 * @example
 * ```js
 * import { withFileLock, writeJsonFileAtomically } from 'leasehold'
 *
 * await writeJsonFileAtomically('settings.json', { theme: 'light' })
 *
 * await withFileLock('accounts', async (lock) => {
 *   await writeJsonFileAtomically('accounts/index.json', await listAccounts(), { lock })
 * })
 * ```
 */
export function writeJsonFileAtomically(path: string, value: unknown, options?: WriteJsonOptions): Promise<void>

/**
 * As {@link readJsonFileWithFallback}, at once: blocks this thread, also where the file system hangs.
 *
 * @param path - the file
 * @returns the value; `undefined` where there is none
 * @throws TypeError - the path cannot name a file
 *
 * @example
 * ```js
 * import { loadJsonFile } from 'leasehold'
 *
 * const settings = loadJsonFile('settings.json') ?? { theme: 'dark' }
 * ```
 */
export function loadJsonFile<T = unknown>(path: string): T | undefined

/**
 * As {@link writeJsonFileAtomically}, at once: blocks this thread until the disk has the file.
 *
 * @param path - the file
 * @param value - what `JSON.stringify` can write
 * @param options - see {@link WriteJsonOptions}
 * @throws as {@link writeJsonFileAtomically}
 *
 * @example
 * ```js
 * import { saveJsonFile } from 'leasehold'
 *
 * process.on('exit', () => saveJsonFile('last-run.json', { at: Date.now() }))
 * ```
 */
export function saveJsonFile(path: string, value: unknown, options?: WriteJsonOptions): void

/**
 * Changes a JSON file under its lock: reads it, lets `mutate` change the value, and writes the result if the lock is
 * still held. However many processes and tasks do so at once, no change is lost.
 *
 * Calls that share the lock (made inside the `fn` of a {@link withFileLock} of the same file, or with the same
 * `reentrantOwner`) take turns. Inside `mutate` itself, another update of the same file is refused.
 *
 * @param path - the file, as in {@link writeJsonFileAtomically}
 * @param fallback - the value where there is no file, or one that is empty or says `null`. It is copied, as JSON
 * @param mutate - changes the value in place, or returns another one, which then counts. What it leaves is written,
 *   unless that is what the file says already. If it fails, nothing is written
 * @param options - those of {@link withFileLock}, and `durable`
 * @returns the value that the file has now
 * @throws JsonFileError - the file cannot be parsed, is no regular file, or is being updated by the caller. It was left
 *   as it is: unlike {@link readJsonFileWithFallback}, this takes no damaged file for an empty one
 * @throws LockLostError - the lock was taken away, and nothing was written
 * @throws TypeError - an argument is wrong, or the result cannot be written as JSON
 * @throws whatever `mutate` throws, what {@link withFileLock} does, and errors of the file system with their `code`
 *
 * @example
 * ```js
 * import { updateJsonFile } from 'leasehold'
 *
 * const { visits } = await updateJsonFile('visits.json', { visits: 0 }, (value) => {
 *   value.visits += 1
 * })
 *
 * await updateJsonFile('users.json', [], (users, { exists }) => (exists ? users : ['root']))
 * ```
 */
export function updateJsonFile<T>(
  path: string,
  fallback: T,
  mutate: (value: T, found: { exists: boolean }) => T | void | PromiseLike<T | void>,
  options?: UpdateJsonOptions,
): Promise<T>

// What can go wrong

/** The `code` of a {@link FileLockTimeoutError}. */
export const FILE_LOCK_TIMEOUT_ERROR_CODE: 'file_lock_timeout'

/** The `code` of a {@link FileLockStaleError}. */
export const FILE_LOCK_STALE_ERROR_CODE: 'file_lock_stale'

/**
 * Any failure of a lock. Itself with these codes:
 *
 * - `file_lock_released`: the handle was released before
 * - `file_lock_not_removed`: the lock was given back, but its file could not be removed yet
 */
export class LockError extends Error {
  protected constructor()
  /** Which failure; it does not change from version to version. */
  readonly code: string
  /** The lock file. */
  readonly lockPath: string
}

/** Somebody held the lock for as long as the caller would wait. The message says who, and what can be done. */
export class FileLockTimeoutError extends LockError {
  readonly code: 'file_lock_timeout'
  /** The protected file. */
  readonly targetPath: string
  /** How long the caller was ready to wait, in milliseconds. */
  readonly timeoutMs: number
  /** Who held the lock at the end. */
  readonly owner: LockOwner
}

/** The lock is stale, and {@link FileLockOptions.staleRecovery} forbids taking it over. */
export class FileLockStaleError extends LockError {
  readonly code: 'file_lock_stale'
  /** The protected file. */
  readonly targetPath: string
  /** Whose lock it is. */
  readonly owner: LockOwner
  /** Why it counts as stale. */
  readonly staleReasons: RecoveryCause[]
}

/** As {@link FileLockTimeoutError}, of {@link acquireSessionWriteLock}. */
export class SessionWriteLockTimeoutError extends LockError {
  readonly code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT'
  /** The protected file. */
  readonly targetPath: string
  /** How long the caller was ready to wait, in milliseconds. */
  readonly timeoutMs: number
  /** Who held the lock at the end, in OpenClaw's words: `pid=7 alive=true ageMs=1200`, or `unknown`. */
  readonly owner: string
  /** The same as an object. */
  readonly holder: LockOwner
}

/**
 * As {@link FileLockStaleError}, for code that catches it from {@link acquireSessionWriteLock}. Nothing throws it
 * today: session locks are always recovered.
 */
export class SessionWriteLockStaleError extends LockError {
  readonly code: 'OPENCLAW_SESSION_WRITE_LOCK_STALE'
  /** The protected file. */
  readonly targetPath: string
  /** Whose lock it is, in OpenClaw's words. */
  readonly owner: string
  /** The same as an object. */
  readonly holder: LockOwner
  /** Why it counts as stale. */
  readonly staleReasons: RecoveryCause[]
}

/** The lock was taken away from its holder: stop writing, others may hold it now. */
export class LockLostError extends LockError {
  readonly code: 'file_lock_lost'
  /**
   * Why:
   *
   * - `"max-hold"`: it was held longer than `maxHoldMs`
   * - `"replaced"`: another process put its own lock file in place of ours
   * - `"removed"`: somebody removed the lock file
   * - `"aborted"`: its work was aborted and did not end within `abortGraceMs`
   * - `"unhandled-rejection"`: a promise made inside its work rejected and nobody handled that
   * - `"forced"`: {@link releaseAllLocksSync} or the end of its thread released it
   */
  readonly reason: 'max-hold' | 'replaced' | 'removed' | 'aborted' | 'unhandled-rejection' | 'forced'
  /** For how long it had been held, in milliseconds. */
  readonly heldForMs: number
  /** The fencing token it had. */
  readonly token: bigint
  /** What its work was called. */
  readonly label: string | undefined
  /** The stack of the call that acquired it, as far as it is still known. */
  readonly acquiredAt: string | undefined
}

/**
 * Waiting could only have ended in a timeout, because the holder waits for the caller: a synchronous call for a lock
 * that a task of the same thread holds, or a session call with `allowReentrant: false` inside the `fn` of a
 * {@link withFileLock} of the same file.
 */
export class LockDeadlockError extends LockError {
  readonly code: 'file_lock_deadlock'
}

/** Something that is no regular file stands at the lock path. It was left as it is. */
export class NotALockFileError extends LockError {
  readonly code: 'file_lock_not_a_file'
}

/**
 * A file that cannot be read or written as JSON. It was left as it is. By `code`:
 *
 * - `json_file_not_a_file`: a directory, symbolic link, FIFO or the like stands at the path
 * - `json_file_unparseable`: it is to be updated, and what it says is no JSON; `cause` is the error of `JSON.parse`
 * - `json_file_too_large`: it is to be updated, and longer than a string can be
 * - `json_file_nested_update`: {@link updateJsonFile} was called for a file inside the `mutate` of an update of it
 */
export class JsonFileError extends Error {
  private constructor()
  /** Which failure; it does not change from version to version. */
  readonly code:
    | 'json_file_not_a_file'
    | 'json_file_unparseable'
    | 'json_file_too_large'
    | 'json_file_nested_update'
  /** The file. */
  readonly path: string
}
