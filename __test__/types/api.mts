// What callers can write, and which types they get back.

import {
  FileLockHandle,
  FileLockStaleError,
  FileLockTimeoutError,
  JsonFileError,
  LockDeadlockError,
  LockError,
  LockLostError,
  NotALockFileError,
  SessionWriteLockStaleError,
  SessionWriteLockTimeoutError,
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  heldLocks,
  inspectLock,
  loadJsonFile,
  readJsonFileWithFallback,
  releaseAllLocksSync,
  saveJsonFile,
  updateJsonFile,
  withFileLock,
  withFileLockSync,
  writeJsonFileAtomically,
  type FileLockOptions,
  type FileLockRetryOptions,
  type HeldLock,
  type LockInspection,
  type LockOwner,
  type RecoveryCause,
  type SessionWriteLockParams,
  type StaleRecovery,
  type UpdateJsonOptions,
  type WithFileLockOptions,
  type WriteJsonOptions,
} from 'leasehold'
import leasehold from 'leasehold'
import * as everything from 'leasehold'

/** Compiles only if both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<A, B>(_: Same<A, B>): void {}

// Every option, none, and `undefined` in place of any.
const options: Required<FileLockOptions> = {
  timeoutMs: Infinity,
  retries: { retries: 1, factor: 2, minTimeout: 3, maxTimeout: 4, randomize: true },
  signal: AbortSignal.timeout(1000),
  maxHoldMs: 5,
  leaseMs: 200,
  label: 'label',
  keepLockFile: true,
  stale: 0,
  staleRecovery: 'fail-closed',
  reentrantOwner: 'owner',
  assertResourceUnborrowed: (targetPath: string) => void targetPath,
}
const workOptions: Required<WithFileLockOptions> = { ...options, abortGraceMs: 0, onUnhandledRejection: 'ignore' }
const nothing: FileLockOptions = {}
const retries: FileLockRetryOptions = {}
const recovery: StaleRecovery = 'remove-if-unchanged'
const maybe: FileLockOptions = { label: undefined, retries: undefined, signal: undefined, timeoutMs: undefined }
const params: SessionWriteLockParams = { sessionFile: 'a', label: 'b', leaseMs: 200, signal: AbortSignal.abort() }

// fn may be synchronous or not; its result arrives unwrapped; the handle may be left out or destructured.
same<Promise<number>, ReturnType<typeof asynchronous>>(true)
function asynchronous() {
  return withFileLock('a', async () => 1)
}
same<Promise<string>, ReturnType<typeof synchronous>>(true)
function synchronous() {
  return withFileLock('a', nothing, ({ lockPath }) => lockPath)
}
same<Promise<number | string>, ReturnType<typeof either>>(true)
function either() {
  return withFileLock<number | string>('a', undefined, (handle) => (handle.held ? 'held' : Promise.resolve(1)))
}
same<Promise<void>, ReturnType<typeof forItsEffect>>(true)
function forItsEffect() {
  return withFileLock('a', { ...maybe, ...workOptions }, () => {})
}
same<number, ReturnType<typeof blocking>>(true)
function blocking() {
  return withFileLockSync('a', { ...options, retries }, (handle) => handle.lockPath.length)
}
same<bigint, ReturnType<typeof blockingBriefly>>(true)
function blockingBriefly() {
  return withFileLockSync('a', (handle) => handle.token)
}

// The handle.
const handle: FileLockHandle = await acquireFileLock('a', { staleRecovery: recovery })
same<string, typeof handle.lockPath>(true)
same<bigint, typeof handle.token>(true)
same<boolean, typeof handle.held>(true)
same<AbortSignal, typeof handle.signal>(true)
same<RecoveryCause | null, typeof handle.recoveredFrom>(true)
handle.assertHeld()
await handle.appendFile('text\n')
await handle.appendFile(new Uint8Array([10]))
await handle.appendFile(Buffer.from('text\n'))
const { release } = handle
await release()
const { lockPath, release: also } = { ...handle }
await also()
handle.releaseSync()
await fetch('https://example.com', { signal: handle.signal })

// Explicit resource management, without lib esnext.disposable.
{
  await using one = await acquireFileLock(lockPath)
  await using two = await acquireSessionWriteLock(params)
  using three = acquireFileLockSync('a', { timeoutMs: 0 })
  void [one, two, three]
}
const disposables: [AsyncDisposable, Disposable] = [handle, handle]

// Reports.
const held: HeldLock[] = heldLocks()
same<'file' | 'session' | undefined, (typeof held)[0]['kind'] | undefined>(true)
const found: LockInspection = await inspectLock('a')
if (found.owner) {
  const owner: LockOwner = found.owner
  same<number | undefined, typeof owner.pid>(true)
  same<bigint | undefined, typeof owner.token>(true)
}
same<number, ReturnType<typeof releaseAllLocksSync>>(true)

// JSON files.
interface Settings {
  theme: string
  size?: number
}
const settings: Settings = { theme: 'dark' }
same<Promise<{ value: Settings; exists: boolean }>, ReturnType<typeof reading>>(true)
function reading() {
  return readJsonFileWithFallback('a', settings)
}
same<{ value: Settings | undefined; exists: boolean }, Awaited<ReturnType<typeof readingWithoutFallback>>>(true)
function readingWithoutFallback() {
  return readJsonFileWithFallback<Settings | undefined>('a', undefined)
}
same<Settings | undefined, ReturnType<typeof loadJsonFile<Settings>>>(true)
same<unknown, ReturnType<typeof loadJsonFile>>(true)
const writing: Required<WriteJsonOptions> = { lock: handle, durable: false }
same<Promise<void>, ReturnType<typeof writeJsonFileAtomically>>(true)
await writeJsonFileAtomically('a', settings, writing)
await writeJsonFileAtomically('a', null, { lock: undefined, durable: undefined })
same<void, ReturnType<typeof saveJsonFile>>(true)
saveJsonFile('a', [settings], { durable: true })
const updating: Required<UpdateJsonOptions> = { ...workOptions, durable: false }
const inPlace: Settings = await updateJsonFile('a', settings, (value) => void (value.size = 1), updating)
const returned: Settings = await updateJsonFile('a', settings, (value, { exists }) => (exists ? value : settings))
const later: Settings = await updateJsonFile('a', settings, async (value) => ({ ...value, size: 2 }))
const perhaps = await updateJsonFile<Settings | undefined>('a', undefined, (value) => value ?? settings)
same<Settings | undefined, typeof perhaps>(true)

// Errors are told apart by class or by code.
try {
  await withFileLock('a', () => {})
} catch (error) {
  if (error instanceof FileLockTimeoutError) {
    same<'file_lock_timeout', typeof error.code>(true)
    same<LockOwner, typeof error.owner>(true)
    same<number, typeof error.timeoutMs>(true)
  } else if (error instanceof FileLockStaleError) {
    same<RecoveryCause[], typeof error.staleReasons>(true)
  } else if (error instanceof SessionWriteLockTimeoutError || error instanceof SessionWriteLockStaleError) {
    same<string, typeof error.owner>(true)
    same<LockOwner, typeof error.holder>(true)
  } else if (error instanceof LockLostError) {
    same<'max-hold' | 'replaced' | 'removed' | 'aborted' | 'unhandled-rejection' | 'forced', typeof error.reason>(true)
    same<string | undefined, typeof error.label>(true)
  } else if (error instanceof LockDeadlockError || error instanceof NotALockFileError) {
    same<'file_lock_deadlock' | 'file_lock_not_a_file', typeof error.code>(true)
  } else if (error instanceof JsonFileError) {
    same<string, typeof error.path>(true)
    const code: 'json_file_not_a_file' | `json_file_${string}` = error.code
    void code
  } else if (error instanceof LockError) {
    same<string, typeof error.code>(true)
    same<string, typeof error.lockPath>(true)
  }
}
type Failure = FileLockTimeoutError | FileLockStaleError | LockLostError | LockDeadlockError | NotALockFileError
function describe(failure: Failure): string {
  switch (failure.code) {
    case 'file_lock_timeout':
      return `${failure.timeoutMs} ${failure.owner.pid}`
    case 'file_lock_stale':
      return failure.staleReasons.join()
    case 'file_lock_lost':
      return failure.reason
    case 'file_lock_deadlock':
    case 'file_lock_not_a_file':
      return failure.lockPath
  }
}

// The module as a whole.
same<typeof withFileLock, typeof leasehold.withFileLock>(true)
same<typeof withFileLock, typeof everything.withFileLock>(true)

export { describe, disposables, inPlace, later, returned }
