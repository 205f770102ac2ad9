/**
 * File locks that cannot leak.
 *
 * A lock protects a file, the *target*; on disk it is the file `<target>.lock` beside it. All times are in
 * milliseconds. An invalid option is rejected with a `TypeError` or `RangeError` that names it, before anything
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

// Acquiring a lock

/**
 * How long to keep trying, in the terms of locks that retry. leasehold waits for events instead of retrying, so
 * these options only bound the wait, by the sum of all gaps between retries at their longest.
 */
export interface FileLockRetryOptions {
  /** The number of gaps. Without it, these options set no bound. */
  retries?: number | undefined
  /** The ratio of each gap to the previous one. @defaultValue 1 */
  factor?: number | undefined
  /** The first gap, in milliseconds. @defaultValue 50 */
  minTimeout?: number | undefined
  /** The longest gap, in milliseconds. @defaultValue 1000, or `minTimeout` if that is more */
  maxTimeout?: number | undefined
  /** Whether each gap may randomly be up to twice as long, but at most `maxTimeout`. @defaultValue false */
  randomize?: boolean | undefined
}

/**
 * What to do about a lock of OpenClaw's JavaScript that looks stale.
 *
 * - `"remove-if-unchanged"`: take it over when its process is gone or it is older than `stale`
 * - `"remove-if-definitely-stale"`: take it over only when its process is certainly gone; its age proves nothing
 * - `"fail-closed"`: never take it over; fail with a {@link FileLockStaleError} when its process is certainly gone
 */
export type StaleRecovery = 'remove-if-unchanged' | 'remove-if-definitely-stale' | 'fail-closed'

/**
 * Options of {@link acquireFileLock} and of the synchronous functions. All are optional, and all are read when the
 * function is called.
 */
export interface FileLockOptions {
  /**
   * How long to wait for the lock, in milliseconds. `0` tries once, `Infinity` waits as long as it takes. If
   * `retries` sets a bound too, the tighter one applies.
   *
   * @defaultValue 10000, unless `retries` sets a bound
   */
  timeoutMs?: number | undefined
  /** Another way to bound the wait, used by OpenClaw's callers. */
  retries?: FileLockRetryOptions | undefined
  /**
   * Stops the wait when it aborts; the call rejects with `signal.reason`. A lock that is already held is kept, but
   * see {@link WithFileLockOptions.abortGraceMs}.
   */
  signal?: AbortSignal | undefined
  /**
   * How long this lock may be held, in milliseconds; then it is taken away, even if the event loop is blocked, and the
   * holder is notified (see {@link FileLockHandle.signal}). `Infinity` for no limit.
   *
   * @defaultValue 300000
   */
  maxHoldMs?: number | undefined
  /**
   * How long this process may be frozen (stopped, or its machine suspended) before another process may take the
   * lock, in milliseconds, from 200 to 3600000. A busy or blocked event loop does not count as frozen.
   *
   * @defaultValue 30000
   */
  leaseMs?: number | undefined
  /** A name for the work in error messages and reports; at most 200 characters. */
  label?: string | undefined
  /**
   * Leaves the lock file in place when the lock is released, which is faster. Only for targets that nothing but
   * leasehold locks: to other lock implementations, a lock file that stays is a lock that stays held.
   *
   * @defaultValue false
   */
  keepLockFile?: boolean | undefined
  /**
   * The age, in milliseconds, from which a lock of OpenClaw's JavaScript counts as stale although its process is
   * alive. An unreadable lock file counts as stale once it has not changed for this long, or for 30000 if that is
   * less. leasehold's own locks are not judged by age.
   *
   * @defaultValue 30000
   */
  stale?: number | undefined
  /** What to do about a stale lock. @defaultValue "remove-if-unchanged" */
  staleRecovery?: StaleRecovery | undefined
  /**
   * Shares the lock with every caller in this process that names the same owner. Without it, only calls made inside
   * the work that holds the lock share it; all other calls queue.
   */
  reentrantOwner?: string | undefined
  /**
   * A veto, called with the path before the lock is requested, before a stale lock is taken over, once the lock is
   * acquired, and at each release. If it throws, the step does not happen: a stale lock is left alone, a lock just
   * acquired is given back, and a lock about to be released stays held and can be released again.
   */
  assertResourceUnborrowed?: ((targetPath: string) => void) | undefined
}

/** Options of {@link withFileLock}: {@link FileLockOptions}, and what to do about work that should have ended. */
export interface WithFileLockOptions extends FileLockOptions {
  /**
   * How long `fn` may continue after `signal` has aborted, in milliseconds; then the lock is taken away from it and
   * from all calls inside it. If others share the lock, they keep it, and so does `fn` for as long as they do.
   *
   * @defaultValue 2000
   */
  abortGraceMs?: number | undefined
  /**
   * What to do when a promise created inside `fn` rejects, the rejection stays unhandled for 500 ms, `fn` has not
   * settled, and the process survives because it listens for unhandled rejections or uncaught exceptions: take the
   * lock away, or leave `fn` alone. Promises left behind by a nested call that has ended do not count, nor do promises
   * created elsewhere that `fn` only rejects. Calls around `fn` lose their locks too, unless they set `"ignore"`.
   *
   * @defaultValue "release"
   */
  onUnhandledRejection?: 'release' | 'ignore' | undefined
}

/**
 * Parameters of {@link acquireSessionWriteLock}. `timeoutMs`, `staleMs` and `maxHoldMs` fall back to their defaults
 * unless they are positive numbers.
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
   * As {@link FileLockOptions.stale}, in milliseconds; `Infinity` falls back too.
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
   * Whether to share the lock with every other session caller of this process that allows it; the lock is free once
   * the last of them has released it. `false` queues behind them.
   *
   * @defaultValue true
   */
  allowReentrant?: boolean | undefined
  /** As {@link FileLockOptions.signal}. */
  signal?: AbortSignal | undefined
  /** As {@link FileLockOptions.leaseMs}; a value out of range is rejected. @defaultValue 30000 */
  leaseMs?: number | undefined
  /** As {@link FileLockOptions.label}. */
  label?: string | undefined
}

/** As below, with default options. */
export function withFileLock<T>(path: string, fn: (handle: FileLockHandle) => T | PromiseLike<T>): Promise<T>

/**
 * Runs `fn` while holding the lock of `path`, and releases it when `fn` settles, whatever the outcome.
 *
 * A call made inside `fn` (in the same chain of async calls) for the same file shares the lock. Any other task of
 * this process queues, first come first served. Other processes wait too: on Linux the one that has waited longest
 * goes first, as far as processes know of each other; elsewhere the order is unspecified.
 *
 * @param path - the file to protect. It need not exist; its directory is created if missing. The path is resolved
 *   like `path.resolve`; symbolic links in its directory are followed, but the last component is not.
 * @param options - see {@link WithFileLockOptions}
 * @param fn - the work; it receives the handle of the lock
 * @returns what `fn` returned
 * @throws FileLockTimeoutError - the lock was held for as long as the caller was ready to wait
 * @throws FileLockStaleError - the lock is stale, and `staleRecovery` forbids taking it over
 * @throws LockDeadlockError - waiting could only have ended in a timeout
 * @throws NotALockFileError - a directory, symbolic link, FIFO or the like is at the lock path
 * @throws LockLostError - the lock was taken away while `fn` ran, even if `fn` succeeded; if not, `cause` is its error
 * @throws LockError - `fn` succeeded and the release failed, as in {@link FileLockHandle.release}
 * @throws AggregateError - `fn` failed and so did the release: `errors` has both, in this order
 * @throws TypeError, RangeError - the path, an option or `fn` is invalid
 * @throws whatever `fn` throws, the `reason` of an aborted `signal`, and file-system errors with their `code`
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
 * Prefer {@link withFileLock} where the work is one function: it cannot forget the release. While this lock is held,
 * calls for the same file queue, even if its own holder makes them: pass the handle along instead.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}
 * @throws as {@link withFileLock}, except what concerns `fn`
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
 * As {@link withFileLock}, without promises: blocks this thread until it has the lock or the wait times out. If a task
 * of this same thread holds the lock, it could never finish meanwhile: that is a {@link LockDeadlockError} at once.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}; a `signal` has an effect only if it has already aborted
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
 * As {@link acquireFileLock}, but blocks this thread until it has the lock or the wait times out. Release it with
 * {@link FileLockHandle.releaseSync}, or with `using` where the syntax is available.
 *
 * @param path - as in {@link withFileLock}
 * @param options - see {@link FileLockOptions}; a `signal` has an effect only if it has already aborted
 * @throws as {@link acquireFileLock}; {@link LockDeadlockError} also if a task of this thread holds the lock
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
 * Acquires the write lock of a session file, under the contract of OpenClaw's function of this name: the callers of
 * one process share the lock unless `allowReentrant` is `false`, and invalid numbers are tolerated.
 *
 * @param params - see {@link SessionWriteLockParams}
 * @throws SessionWriteLockTimeoutError - the lock was held for as long as the caller was ready to wait
 * @throws NotALockFileError - a directory, symbolic link, FIFO or the like is at the lock path
 * @throws LockDeadlockError - with `allowReentrant: false`, inside the `fn` of a {@link withFileLock} of the same file
 * @throws TypeError, RangeError - a parameter is invalid
 * @throws the `reason` of an aborted `signal`, and file-system errors with their `code`
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

// Holding a lock

/** Why a lock that nobody had released could be taken over. */
export type RecoveryCause =
  /** Its leasehold process died, and the kernel released its lock. */
  | 'owner-died'
  /** The machine has been rebooted since. */
  | 'rebooted'
  /** Its process was frozen for longer than its lease. */
  | 'lease-expired'
  /** Its recorded process does not exist. */
  | 'dead-pid'
  /** Its recorded pid now belongs to a younger process. */
  | 'recycled-pid'
  /** It named the pid of this process, and nothing here held it. */
  | 'orphan-self-pid'
  /** It was not a leasehold lock, and it was older than `stale`. */
  | 'too-old'
  /** It named no process, and had not changed for too long. */
  | 'missing-pid'
  /** It had no valid date, and had not changed for too long. */
  | 'invalid-createdAt'

/**
 * A lock that is held. The acquiring functions create it; it cannot be constructed.
 *
 * The lock lives no longer than the handle is reachable: when the garbage collector finds that nothing refers to the
 * handle, its `release` or its `signal` any more, the lock is given back. While somebody waits for the lock, the
 * collector is asked to run. To hold a lock for the life of the process, keep the handle reachable: a variable that no
 * function uses any more does not, nor does a signal that `AbortSignal.any` derived from its `signal`.
 */
export class FileLockHandle {
  private constructor()

  /** The lock file. */
  readonly lockPath: string

  /**
   * Releases the lock. Only the first call acts; later ones wait for the same outcome, and none ever touches the lock
   * of a successor. It is an own property, so `const { release } = await acquireFileLock(…)` works.
   *
   * @throws LockError - with code `file_lock_not_removed`: the lock is free, but its file could not be removed yet;
   *   the removal is retried in the background
   */
  readonly release: () => Promise<void>

  /** As {@link release}, synchronously. On network file systems it does not wait for the outcome. */
  releaseSync(): void

  /**
   * The fencing token: a later owner of the same file has a larger one. Hand-overs and takeovers guarantee this; where
   * the lock file was removed in between (as an ordinary release does), it relies on the wall clock in nanoseconds.
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

  /** Why the lock could be taken over from an earlier holder; `null` when it was free. */
  get recoveredFrom(): RecoveryCause | null

  /**
   * Asks the file system whether the lock is still held (on network file systems, which can hang, it goes by the last
   * heartbeat instead). Call it right before anything that must not happen without the lock.
   *
   * @throws LockLostError - the lock was taken away
   * @throws LockError - with code `file_lock_released`: the handle was released
   *
   * @example
   * ```js
   * lock.assertHeld()
   * renameSync('settings.json.new', 'settings.json')
   * ```
   */
  assertHeld(): void

  /**
   * Appends to the protected file after checking that the lock is still held; the file is created, with mode 0600, if
   * it is missing. Calls are carried out in order.
   *
   * @param data - text, written as UTF-8, or bytes; nothing is added to it
   * @throws as {@link assertHeld}, and file-system errors with their `code`
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

// Inspecting locks

/** Whom a lock belongs to, as far as its record says. */
export interface LockOwner {
  /** The recorded process. */
  pid?: number
  /** Whether that process is alive; absent when that cannot be known from here. */
  alive?: boolean
  /** Where it runs. Another namespace is a container of this machine; `other-host` may be this one before a reboot. */
  place: 'this-process' | 'other-process' | 'other-namespace' | 'other-host' | 'unknown'
  /** When it took the lock, in ISO 8601. */
  since?: string
  /** How long it has had the lock, in milliseconds. */
  ageMs?: number
  /** Whether it is a leasehold process. */
  native: boolean
  /** Its {@link FileLockOptions.label}. */
  label?: string
  /** Its host name, if it is a leasehold process. */
  host?: string
  /**
   * The fencing token in its record. After hand-overs inside its process, the token of its handle may be larger than
   * the one on disk, but never reaches that of the next owner.
   */
  token?: bigint
}

/** One lock that this process holds. */
export interface HeldLock {
  /** The number of the lease, unique in this process. */
  lease: number
  /** The lock file. */
  lockPath: string
  /** The protected file. */
  targetPath: string
  /** The fencing token. */
  token: bigint
  /** When it was acquired, in ISO 8601. */
  since: string
  /** How long it has been held, in milliseconds. */
  heldForMs: number
  /** How long it may be held, in milliseconds; absent for no limit. */
  maxHoldMs?: number
  /** Its {@link FileLockOptions.label}. */
  label?: string
  /** How many handles share it. */
  handles: number
  /** Whether any of those handles belongs to this thread (the main thread or this worker). */
  inThisThread: boolean
  /** Which kind of function acquired it. */
  kind: 'file' | 'session'
}

/** What is at a lock path. */
export interface LockInspection {
  /** The lock file. */
  lockPath: string
  /** The protected file. */
  targetPath: string
  /** Whether there is a lock file. */
  exists: boolean
  /** Whether the lock file shows the lock as held. The holder may be dead: see {@link LockOwner.alive}. */
  held: boolean
  /** Who holds it; absent when nobody does. */
  owner?: LockOwner
  /** Whether an operating-system lock backs it; absent unless it is a leasehold lock. */
  osLock?: boolean
  /** When the lock file last changed, in ISO 8601; for a leasehold lock, its last heartbeat. */
  lastBeat?: string
  /** How long ago that was, in milliseconds. */
  lastBeatAgeMs?: number
  /** Its {@link FileLockOptions.leaseMs}; absent unless it is a leasehold lock. */
  leaseMs?: number
  /** Whether it is on a network, FUSE or unknown file system. */
  remote: boolean
}

/**
 * Returns every lock that this process holds, including those of its workers, in no particular order.
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
 * Inspects the lock of `path` without requesting it; creates and changes nothing.
 *
 * @param path - the protected file, not its lock file
 * @throws NotALockFileError - something other than a regular file is at the lock path
 * @throws TypeError - the path is not a string, or cannot name a file
 * @throws file-system errors with their `code`, when the lock file exists but cannot be read
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
 * Takes every lock of this process away from its holder at once: for fatal-error handlers and for restarts inside the
 * process. The holders are notified, as with any other loss. In a worker, only its own locks are taken.
 *
 * There is no need to call it when a process ends: its locks end with it.
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

// Removing abandoned lock files

/** A session's lock file, judged by the rules of OpenClaw's JavaScript. */
export type SessionLockInspection = {
  /** The lock file. */
  lockPath: string
  /** The recorded process. */
  pid: number | null
  /** Whether it is alive. */
  pidAlive: boolean
  /** When its owner says it created the lock; a leasehold process keeps renewing this date. */
  createdAt: string | null
  /** How long ago that was, in milliseconds. */
  ageMs: number | null
  /** Whether there is any reason to consider it stale. */
  stale: boolean
  /**
   * The reasons: `missing-pid`, `dead-pid`, `recycled-pid`, `invalid-createdAt`, `too-old` or `orphan-self-pid`; for
   * leasehold locks also `owner-died` or `rebooted`, where neither `dead-pid` nor `recycled-pid` applies.
   */
  staleReasons: string[]
  /** Whether it was removed. */
  removed: boolean
}

/** Returns the command line of a process, for OpenClaw's own {@link cleanStaleLockFiles}. */
export type SessionLockOwnerProcessArgsReader = (pid: number) => string[] | null

/**
 * Inspects every session lock file in a directory (`*.jsonl.lock`), and removes the stale ones.
 *
 * A lock that a leasehold process holds is never stale, whatever its age. A lock of OpenClaw's JavaScript is judged by
 * its own rules; an incomplete one may still be being written, and is kept until it has not changed for `staleMs` or
 * 30 seconds, whichever is less. Removing a lock file takes the lock first, so nobody loses a lock just acquired.
 *
 * @param params.sessionsDir - the directory; a missing one counts as empty
 * @param params.staleMs - the age, in milliseconds, from which a lock of OpenClaw's JavaScript counts as stale although
 *   its process is alive; unless positive and finite, what {@link resolveSessionWriteLockStaleMs} returns
 * @param params.config - the configuration that this default is taken from
 * @param params.env - the environment variables it is taken from; by default those of the process
 * @param params.removeStale - `false` only inspects
 * @param params.nowMs - the time to judge by, in milliseconds since the epoch; by default now
 * @param params.readOwnerProcessArgs - never called: a live process keeps its lock, whatever its command line
 * @param params.log - its `warn` is called for each removal
 * @returns all lock files, sorted by name, and those of them that were removed
 * @throws TypeError - a parameter is invalid
 * @throws file-system errors with their `code`, when the directory cannot be read
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

/** What became of a lock file: there was none, it is gone, or it stays because somebody has the lock or may have it. */
export type StaleFileLockReclaimResult = 'missing' | 'removed' | 'retained'

/**
 * Removes a lock file whose owner is certainly gone. Everything else is left as it is: a lock that may belong to a live
 * process, a file that cannot be parsed, and anything that is not a regular file.
 *
 * @param lockPath - the lock file itself, whatever its name
 * @throws TypeError - the path is not a string, or cannot name a file
 * @throws LockError - with code `file_lock_not_removed`: it could not be removed yet; the removal is retried
 * @throws file-system errors with their `code`, when the lock file exists but cannot be read
 *
 * @example
 * ```js
 * import { reclaimDefinitelyStaleFileLock } from 'leasehold'
 *
 * if ((await reclaimDefinitelyStaleFileLock('state.json.lock')) === 'retained') console.log('somebody may need it')
 * ```
 */
export function reclaimDefinitelyStaleFileLock(lockPath: string): Promise<StaleFileLockReclaimResult>

// Timeouts of session locks, by OpenClaw's rules

/**
 * Returns the `maxHoldMs` for work that has a timeout of its own: that timeout plus a grace period, but at least a
 * minimum, and at most 2147000000. Values that are not positive and finite count as absent, except that `timeoutMs` may
 * be infinite.
 *
 * @param params.timeoutMs - the timeout of the work, in milliseconds; by default `minMs`
 * @param params.graceMs - in milliseconds; by default 120000
 * @param params.minMs - in milliseconds; by default 300000
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
 * Returns the `timeoutMs` that OpenClaw 2026.5 and later would use: the value of the environment variable
 * `OPENCLAW_SESSION_WRITE_LOCK_ACQUIRE_TIMEOUT_MS`, else that of the configuration, else 60000.
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
 * As {@link resolveSessionWriteLockAcquireTimeoutMs}, for all three settings. If neither source sets them, `staleMs` is
 * 1800000, and `maxHoldMs` is `maxHoldMsFallback` or 300000.
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
 * Returns only the `staleMs` of {@link resolveSessionWriteLockOptions}.
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
 * makes waits for such locks time out, and removes the exit and signal listeners if nothing needs them any more. In a
 * worker, it affects only its own locks.
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

/** What OpenClaw's own test suites use. */
export const __testing: {
  /** The signals that release all locks. */
  cleanupSignals: ('SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGABRT' | 'SIGHUP' | 'SIGBREAK')[]
  /** Acts as if the signal had arrived: releases all locks, and ends the process if nobody else listens for it. */
  handleTerminationSignal(signal: 'SIGINT' | 'SIGTERM' | 'SIGQUIT' | 'SIGABRT' | 'SIGHUP' | 'SIGBREAK'): void
  /** As {@link releaseAllLocksSync}, but returns nothing. */
  releaseAllLocksSync(): void
  /**
   * Takes away the session locks that would be overdue at `nowMs`, without waiting for the watchdog. Resolves to the
   * number of overdue session locks taken away since the last call, these included.
   */
  runLockWatchdogCheck(nowMs?: number): Promise<number>
}

// JSON files

/** Options of {@link writeJsonFileAtomically} and {@link saveJsonFile}. */
export interface WriteJsonOptions {
  /**
   * A lock that the write depends on, of this file or of another one. It must still be held immediately before the
   * file is replaced; if it was taken away, nothing is written and the call fails with a {@link LockLostError}.
   */
  lock?: FileLockHandle | undefined
  /**
   * Whether to wait until the file and its name are on disk, so that they survive a power cut. If `false`, a crash of
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
 * Reads a JSON file. It never fails because of what it finds: a file that cannot be read (no permission, a directory, a
 * FIFO) or parsed, or that contains `null`, yields the fallback with `exists: true`. Symbolic links are followed.
 *
 * @param path - the file
 * @param fallback - what to return if there is no value
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
 * Writes a value as JSON, indented by two spaces and with a trailing newline. The file is replaced as a whole: a reader
 * sees the old content or the new, never a mixture, even after a crash or a kill.
 *
 * An existing file keeps its mode, and its owner and group if this process may set them; its access-control lists and
 * other names (hard links) are lost. A new file has mode 0600, and missing directories are created with mode 0700. A
 * process carries out its writes to one file in the order of the calls.
 *
 * @param path - the file. Symbolic links in its directory are followed; if the last component is one, it is rejected
 * @param value - what `JSON.stringify` can write
 * @param options - see {@link WriteJsonOptions}
 * @throws LockLostError - `lock` was taken away; nothing has changed
 * @throws LockError - with code `file_lock_released`: `lock` was released; nothing has changed
 * @throws JsonFileError - a directory, symbolic link, FIFO or the like is at the path; it was left as it is
 * @throws TypeError - an argument is invalid, or the value cannot be written as JSON; nothing has changed
 * @throws file-system errors with their `code` (`ENOSPC`, `EROFS` and so on): the old content is still there, unless
 *   only the final sync failed (`syscall` is `fsync` and `path` is the directory): then the new content is there
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
 * As {@link readJsonFileWithFallback}, synchronously: blocks this thread, even if the file system hangs.
 *
 * @param path - the file
 * @returns the value; `undefined` if there is none
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
 * As {@link writeJsonFileAtomically}, synchronously: blocks this thread until the write is done.
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
 * Updates a JSON file under its lock: reads it, lets `mutate` change the value, and writes the result if the lock is
 * still held. However many processes and tasks do so at once, no change is lost.
 *
 * Calls that share the lock (made inside the `fn` of a {@link withFileLock} of the same file, or with the same
 * `reentrantOwner`) take turns. Inside `mutate` itself, another update of the same file is rejected.
 *
 * @param path - the file, as in {@link writeJsonFileAtomically}
 * @param fallback - the value if there is no file, or if it is empty or contains `null`. It is copied, as JSON
 * @param mutate - changes the value in place, or returns another one to use instead. The result is written, unless the
 *   file already has exactly that content. If `mutate` fails, nothing is written
 * @param options - those of {@link withFileLock}, and `durable`
 * @returns the value that the file has now
 * @throws JsonFileError - the file cannot be parsed, is too large, is not a regular file, or is being updated by the
 *   caller. It was left as it is: unlike {@link readJsonFileWithFallback}, this does not treat a damaged file as empty
 * @throws LockLostError - the lock was taken away, and nothing was written
 * @throws TypeError - an argument is invalid, or the result cannot be written as JSON
 * @throws whatever `mutate` throws, what {@link withFileLock} does, and file-system errors with their `code`
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

// Errors

/** The `code` of a {@link FileLockTimeoutError}. */
export const FILE_LOCK_TIMEOUT_ERROR_CODE: 'file_lock_timeout'

/** The `code` of a {@link FileLockStaleError}. */
export const FILE_LOCK_STALE_ERROR_CODE: 'file_lock_stale'

/**
 * Any failure of a lock. Codes without a class of their own:
 *
 * - `file_lock_released`: the handle was already released
 * - `file_lock_not_removed`: the lock was released, but its file could not be removed yet
 */
export class LockError extends Error {
  protected constructor()
  /** Identifies the failure; stable across versions. */
  readonly code: string
  /** The lock file. */
  readonly lockPath: string
}

/** The lock was held for as long as the caller was ready to wait. The message says by whom, and what can be done. */
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

/** As {@link FileLockTimeoutError}, from {@link acquireSessionWriteLock}. */
export class SessionWriteLockTimeoutError extends LockError {
  readonly code: 'OPENCLAW_SESSION_WRITE_LOCK_TIMEOUT'
  /** The protected file. */
  readonly targetPath: string
  /** How long the caller was ready to wait, in milliseconds. */
  readonly timeoutMs: number
  /** Who held the lock at the end, in OpenClaw's format: `pid=7 alive=true ageMs=1200`, or `unknown`. */
  readonly owner: string
  /** The same as an object. */
  readonly holder: LockOwner
}

/**
 * As {@link FileLockStaleError}, for code that catches it from {@link acquireSessionWriteLock}. Nothing throws it
 * today: stale session locks are always taken over.
 */
export class SessionWriteLockStaleError extends LockError {
  readonly code: 'OPENCLAW_SESSION_WRITE_LOCK_STALE'
  /** The protected file. */
  readonly targetPath: string
  /** Whose lock it is, in OpenClaw's format. */
  readonly owner: string
  /** The same as an object. */
  readonly holder: LockOwner
  /** Why it counts as stale. */
  readonly staleReasons: RecoveryCause[]
}

/** The lock was taken away from its holder: stop writing, somebody else may hold it now. */
export class LockLostError extends LockError {
  readonly code: 'file_lock_lost'
  /**
   * Why:
   *
   * - `"max-hold"`: it was held longer than `maxHoldMs`
   * - `"replaced"`: another process put its own lock file in place of ours
   * - `"removed"`: somebody removed the lock file
   * - `"aborted"`: its work was aborted and did not end within `abortGraceMs`
   * - `"unhandled-rejection"`: a promise created inside its work rejected, and nobody handled the rejection
   * - `"forced"`: {@link releaseAllLocksSync}, a signal, a reset for tests or the end of its worker released it
   */
  readonly reason: 'max-hold' | 'replaced' | 'removed' | 'aborted' | 'unhandled-rejection' | 'forced'
  /** How long it had been held, in milliseconds. */
  readonly heldForMs: number
  /** The fencing token it had. */
  readonly token: bigint
  /** Its {@link FileLockOptions.label}. */
  readonly label: string | undefined
  /** The stack of the call that acquired it, if still known. */
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

/** Something other than a regular file is at the lock path. It was left as it is. */
export class NotALockFileError extends LockError {
  readonly code: 'file_lock_not_a_file'
}

/**
 * A file that cannot be read or written as JSON. It was left as it is. By `code`:
 *
 * - `json_file_not_a_file`: a directory, symbolic link, FIFO or the like is at the path
 * - `json_file_unparseable`: it is to be updated and is not valid JSON; `cause` is the error of `JSON.parse`, if any
 * - `json_file_too_large`: it is to be updated, and is longer than a string can be
 * - `json_file_nested_update`: {@link updateJsonFile} was called inside the `mutate` of another update of the same file
 */
export class JsonFileError extends Error {
  private constructor()
  /** Identifies the failure; stable across versions. */
  readonly code:
    | 'json_file_not_a_file'
    | 'json_file_unparseable'
    | 'json_file_too_large'
    | 'json_file_nested_update'
  /** The file. */
  readonly path: string
}
