// Calls as OpenClaw 2026.3 makes them compile as they are.

import {
  acquireFileLock,
  acquireSessionWriteLock,
  loadJsonFile,
  readJsonFileWithFallback,
  saveJsonFile,
  withFileLock,
  writeJsonFileAtomically,
} from 'leasehold'

/** The option type of that version: everything but `randomize` is required. */
type FileLockOptions = {
  retries: { retries: number; factor: number; minTimeout: number; maxTimeout: number; randomize?: boolean }
  stale: number
}
type FileLockHandle = { lockPath: string; release: () => Promise<void> }

const credentials: FileLockOptions = {
  retries: { retries: 10, factor: 2, minTimeout: 100, maxTimeout: 10_000, randomize: true },
  stale: 30_000,
}
const modelPicker: FileLockOptions = {
  retries: { retries: 8, factor: 2, minTimeout: 50, maxTimeout: 5_000 },
  stale: 15_000,
}
const dedupe = { retries: { retries: 6, factor: 1.35, minTimeout: 8, maxTimeout: 180 }, stale: 60_000 } as const

const paired: string[] = await withFileLock('pairing.json', credentials, async () => ['a device'])
await withFileLock('models.json', modelPicker, async () => {})
const seen: boolean = await withFileLock('dedupe.json', dedupe, async () => paired.length > 0)

async function locked<T>(path: string, fn: () => Promise<T>): Promise<T> {
  return await withFileLock(path, credentials, fn)
}
const answer: number = await locked('auth.json', async () => 42)

const held: FileLockHandle = await acquireFileLock('models.json', modelPicker)
await held.release()

// A function of that version can be replaced by ours wherever it is passed on.
const seam: {
  acquireFileLock: (filePath: string, options: FileLockOptions) => Promise<FileLockHandle>
  withFileLock: <T>(filePath: string, options: FileLockOptions, fn: () => Promise<T>) => Promise<T>
  acquireSessionWriteLock: (params: {
    sessionFile: string
    timeoutMs?: number
    staleMs?: number
    maxHoldMs?: number
    allowReentrant?: boolean
  }) => Promise<{ release: () => Promise<void> }>
} = { acquireFileLock, withFileLock, acquireSessionWriteLock }

// The handle goes into a variable that is declared before the handle exists.
let sessionLock: Awaited<ReturnType<typeof acquireSessionWriteLock>> | undefined
try {
  sessionLock = await acquireSessionWriteLock({ sessionFile: 'sessions/abc.jsonl', maxHoldMs: 720_000 })
} finally {
  await sessionLock?.release()
}
const stored = await acquireSessionWriteLock({ sessionFile: 'sessions.json', timeoutMs: Infinity, staleMs: 30_000 })
await stored.release()
const registry = await acquireSessionWriteLock({ sessionFile: 'containers.json', allowReentrant: false })
await registry.release()

// JSON files, as that version declares their functions.
const json: {
  readJsonFileWithFallback: <T>(filePath: string, fallback: T) => Promise<{ value: T; exists: boolean }>
  writeJsonFileAtomically: (filePath: string, value: unknown) => Promise<void>
  loadJsonFile: (pathname: string) => unknown
  saveJsonFile: (pathname: string, data: unknown) => void
} = { readJsonFileWithFallback, writeJsonFileAtomically, loadJsonFile, saveJsonFile }
const pairing = await readJsonFileWithFallback<{ requests: string[] }>('pairing.json', { requests: [] })
await writeJsonFileAtomically('pairing.json', { requests: pairing.value.requests.slice(1) })

export { answer, json, seam, seen }
