// What OpenClaw 2026.3.13 does about the same trouble, by the rows of the leak table: taken from its source (`FILES`,
// as they are bundled in the npm package of that version), not measured by the demo.

export const VERSION = '2026.3.13'
export const FILES = { session: 'src/agents/session-write-lock.ts', file: 'src/plugin-sdk/file-lock.ts' }
export const ISSUE = { name: 'openclaw#49157', url: 'https://github.com/openclaw/openclaw/issues/49157' }

const SECOND = 1000
const MINUTE = 60 * SECOND

/** How long a caller of `acquireSessionWriteLock` waits unless it says otherwise; then it fails. */
export const PATIENCE = 10 * SECOND

/** What gives `acquireSessionWriteLock`'s locks back, and how many milliseconds after the leak: `least` to `most`. */
const session = {
  retry: { least: 0, most: SECOND },
  watchdog: { least: 5 * MINUTE, most: 6 * MINUTE },
  watchdogAfterASecond: { least: SECOND, most: 61 * SECOND },
  age: { least: 30 * MINUTE, most: 30 * MINUTE },
}

/** The same for `withFileLock`, with the options of its stores for credentials and pairings. */
const file = {
  retry: { least: 0, most: 10 * SECOND },
  age: { least: 30 * SECOND, most: 40 * SECOND },
}

const ROWS = {
  1: { session: session.retry, file: file.retry },
  2: { session: session.watchdog, file: file.age },
  3: { session: session.watchdog, file: file.age },
  4: { session: session.watchdog, file: file.age },
  5: { session: session.watchdogAfterASecond, file: file.age },
  6: { session: session.watchdog, file: file.age },
  7: { session: session.age, file: file.age },
  8: { session: session.age, file: file.age },
  9: { session: session.retry, file: file.retry },
  10: { session: session.retry, file: file.retry },
  11: { session: session.age, file: file.age },
}

/** OpenClaw's times for a scene. A holder that leaves in the end gives its lock back as in row 1, whatever it did. */
export const openclaw = ({ row, over }) => ROWS[over === 'leaves' ? 1 : row]

/** The reasons, in Markdown: what the rows have in common, and what is special about some. */
export const REASONS = [
  `**A retry** (rows 1, 9 and 10). Waiters look again every 50 ms to 1 s for a session lock, and at the intervals that
  \`retries\` sets for a file lock (100 ms to 10 s here). They take a lock whose pid is dead. A process also removes its
  own session locks on \`exit\`, and on SIGINT, SIGTERM, SIGQUIT and SIGABRT. File locks have no such clean-up: the lock
  file always stays for the next waiter to find.`,
  `**The watchdog** (session locks, rows 2 to 6). The table of held locks keeps every lock alive, so the garbage
  collector cannot help, and nothing listens for abort signals or rejections. Once a minute, a timer in the holder's
  process releases the locks that are older than \`maxHoldMs\`: 5 minutes by default, 12 for an agent run of the default
  10 minutes, and 1 s in row 5, as in the demo. The holder is not told. Until then each caller waits for 10 s and
  fails with \`session file locked (timeout 10000ms)\`:
  [${ISSUE.name}](${ISSUE.url}).`,
  `**The age** (session locks, rows 7, 8 and 11). A blocked or frozen process runs no timers, and a worker's table is
  gone with the worker. The pid in the lock file is alive, so waiters leave the file alone until it is 30 minutes old
  (\`staleMs\`); until then they fail after 10 s.`,
  `**The age** (file locks, rows 2 to 8 and 11). There is no watchdog. A lock older than \`stale\` is taken at the next
  retry, whether its holder is alive or not: after 30 s, and up to 10 s more.`,
  `**Row 4.** After most unhandled rejections OpenClaw's own listener ends the gateway, which makes this row 9. The
  gateway survives aborts and transient network errors, and this row is about those.`,
  `**Rows 5 to 7 and 11.** A holder whose lock was taken because of its age is not told either, and its late
  \`release()\` removes its successor's lock file.`,
  `**Every takeover** removes the lock file by name, whoever owns it by then. If two waiters find the same old lock, the
  later one can remove the file that the earlier one has just created, and then both hold the lock.`,
]
