// What the compiler must refuse. A line that starts to compile fails this file.

import {
  FileLockHandle,
  FileLockTimeoutError,
  JsonFileError,
  LockError,
  acquireFileLock,
  acquireFileLockSync,
  acquireSessionWriteLock,
  inspectLock,
  loadJsonFile,
  readJsonFileWithFallback,
  releaseAllLocksSync,
  saveJsonFile,
  updateJsonFile,
  withFileLock,
  withFileLockSync,
  writeJsonFileAtomically,
} from 'leasehold'
// @ts-expect-error the native part is not for callers
import { Environment } from 'leasehold/lib/addon.mjs'

const work = () => {}

// @ts-expect-error a path is needed
await acquireFileLock()
// @ts-expect-error a path is text
await acquireFileLock(new URL('file:///a'))
// @ts-expect-error retries cannot be given as a number alone
await acquireFileLock('a', { retries: 10 })
// @ts-expect-error an unknown recovery
await acquireFileLock('a', { staleRecovery: 'remove' })
// @ts-expect-error a misspelt option
await acquireFileLock('a', { timeout: 10 })
// @ts-expect-error times are numbers
await acquireFileLock('a', { timeoutMs: '10' })
// @ts-expect-error a label is text
await acquireFileLock('a', { label: 1 })
// @ts-expect-error that is a controller, not a signal
await acquireFileLock('a', { signal: new AbortController() })
// @ts-expect-error a re-entrant owner is text
await acquireFileLock('a', { reentrantOwner: Symbol('owner') })
// @ts-expect-error the veto is given a path
await acquireFileLock('a', { assertResourceUnborrowed: (count: number) => void count })

// @ts-expect-error there is no work that could go on
await acquireFileLock('a', { abortGraceMs: 10 })
// @ts-expect-error an unknown choice
await withFileLock('a', { onUnhandledRejection: 'throw' }, work)
// @ts-expect-error the work is missing
await withFileLock('a', {})
// @ts-expect-error the work comes last
await withFileLock('a', work, {})
// @ts-expect-error the work takes a handle, not a path
await withFileLock('a', (path: string) => path)
// @ts-expect-error the result is what the work returns
const text: string = await withFileLock('a', async () => 1)
// @ts-expect-error the result is a promise
const number: number = withFileLock('a', () => 1)
// @ts-expect-error the synchronous form returns no promise
withFileLockSync('a', () => 1).then(work)
// @ts-expect-error the synchronous form returns the handle itself
acquireFileLockSync('a').then(work)

// @ts-expect-error the file to lock is missing
await acquireSessionWriteLock({ timeoutMs: 1 })
// @ts-expect-error it takes one object
await acquireSessionWriteLock('a')
// @ts-expect-error that is the option of the other functions
await acquireSessionWriteLock({ sessionFile: 'a', stale: 1 })
// @ts-expect-error session locks are told to share by allowReentrant
await acquireSessionWriteLock({ sessionFile: 'a', reentrantOwner: 'owner' })

const handle = await acquireFileLock('a')
// @ts-expect-error handles are acquired, not made
new FileLockHandle()
// @ts-expect-error neither are errors
new FileLockTimeoutError()
// @ts-expect-error nor their base class
new LockError()
// @ts-expect-error a handle's path does not change
handle.lockPath = 'b'
// @ts-expect-error nor its token
handle.token = 1n
// @ts-expect-error a token is not a number
const token: number = handle.token
// @ts-expect-error objects are not written as they are
await handle.appendFile({ role: 'user' })
// @ts-expect-error methods of the class do not survive a copy
;({ ...handle }).assertHeld()
// @ts-expect-error a release takes nothing
await handle.release(true)
// @ts-expect-error the lock may have no owner
const owner: object = (await inspectLock('a')).owner
// @ts-expect-error it releases all, or none
releaseAllLocksSync('a')

// @ts-expect-error a fallback is needed
await readJsonFileWithFallback('a')
// @ts-expect-error the value comes with whether it exists
const value: string = await readJsonFileWithFallback('a', 'b')
// @ts-expect-error there may be no value
const loaded: string = loadJsonFile<string>('a')
// @ts-expect-error a value is needed
await writeJsonFileAtomically('a')
// @ts-expect-error a lock is a handle, not a path
await writeJsonFileAtomically('a', 1, { lock: 'a.lock' })
// @ts-expect-error that is an option of locks
saveJsonFile('a', 1, { timeoutMs: 1 })
// @ts-expect-error the change is missing
await updateJsonFile('a', 1)
// @ts-expect-error what a change returns is written: this would be the length of the array
await updateJsonFile<string[]>('a', [], (list) => list.push('b'))
// @ts-expect-error an update takes its lock by itself
await updateJsonFile('a', 1, () => 2, { lock: handle })
// @ts-expect-error these errors are not made by callers either
new JsonFileError()

export { Environment, loaded, number, owner, text, token, value }
