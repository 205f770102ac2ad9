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
  `**A retry** (rows 1, 9 and 10). Waiters look again every 50 ms to 1 s for a session lock, and in the gaps that their
  \`retries\` say for a file lock (100 ms to 10 s here). They take a lock whose pid is dead. A session lock is also
  removed by its own process: on \`exit\`, and on SIGINT, SIGTERM, SIGQUIT and SIGABRT. A file lock has no such
  clean-up, so its file always stays for the next one to find.`,
  `**The watchdog** (session locks, rows 2 to 6). The table of held locks keeps every lock alive, so the garbage
  collector cannot help, and no abort signal or rejection is listened to. A timer in the holder's process looks once a
  minute and releases what is older than \`maxHoldMs\`: 5 minutes by default, 12 for an agent run of the default
  10 minutes, and 1 s in row 5 as in the demo. Nobody tells the holder. Until then each caller waits for its 10 s and
  fails with \`session file locked (timeout 10000ms)\`:
  [${ISSUE.name}](${ISSUE.url}).`,
  `**The age** (session locks, rows 7, 8 and 11). A blocked or frozen process runs no timer, and the table of a
  worker is gone with the worker. The pid in the file is alive, so waiters leave it alone until it is 30 minutes old
  (\`staleMs\`); until then they fail after 10 s.`,
  `**The age** (file locks, rows 2 to 8 and 11). There is no watchdog. Any lock older than \`stale\` is taken at the
  next retry, whether its holder lives or not: 30 s, and up to 10 s more.`,
  `**Row 4.** OpenClaw's own listener ends the gateway after most unhandled rejections, and that is row 9. It lives on
  after aborts and transient network errors, and the row is about those.`,
  `**Rows 5 to 7 and 11.** A holder that lost its lock by age is not told either, and its late \`release()\` removes
  the lock file of its successor.`,
  `**Every takeover** removes the lock file by its name, whoever's it is by then. Of two waiters that find the same old
  lock, the later one can remove what the earlier one has just made, and then both are in.`,
]
