// The table as a page of Markdown.

import { FILES, PATIENCE, REASONS, VERSION, openclaw } from './openclaw.mjs'
import { duration, span } from './words.mjs'

const escape = (text) => text.replace(/[<>|]/g, '\\$&')
const row = (cells) => `| ${cells.join(' | ')} |`
const paragraph = (text) => text.replace(/\n\s+/g, '\n')

export function page(outcomes, where) {
  const rows = outcomes.map(({ scene, waited }) => {
    const { session, file } = openclaw(scene)
    const kind = scene.through === 'withFileLock' ? 'file' : 'session'
    return row([scene.row, escape(scene.title), kind, `**${duration(waited)}**`, span(session), span(file)])
  })
  return `<!-- Written by \`npm run demo\`: run that instead of changing this. -->

# How long the next process waits

![The figures of the table as bars](demo.svg)

| row | what happens to the holder | lock | leasehold | OpenClaw session lock | OpenClaw file lock |
|---|---|---|---|---|---|
${rows.join('\n')}

**leasehold** was measured on

    ${where}

Each line is a process to which this really happens while it has the lock of \`withFileLock\` (file) or of
\`acquireSessionWriteLock\` (session). Five tasks in three other processes wait for it with default options; the time is
the one from that moment to the first of them having the lock. \`npm run demo\` does it again, checks that nothing was
lost from the file they all append to, and writes this page.

**OpenClaw** was not measured. It is what the source of OpenClaw ${VERSION} says:

* session lock: \`acquireSessionWriteLock\` in \`${FILES.session}\`, with its defaults. Its callers
  fail after ${PATIENCE / 1000} s: where the table says more, it is the time until one can succeed.
* file lock: \`withFileLock\` in \`${FILES.file}\`, with the options of OpenClaw's stores for credentials and
  pairings: \`stale\` 30 s, and 10 retries.

The rows are those of the table in the [README](../README.md#when-is-a-lock-given-back). Two limits are shorter
than their defaults, or nobody would want to watch: \`maxHoldMs\` in rows 5 and 7, and \`leaseMs\` in row 11. With the
defaults of leasehold these rows take 5 minutes and 34 s. The event loop that is blocked for 3 s is no leak: its holder
comes back, and the wait counts from then.

## Why OpenClaw's times are what they are

${REASONS.map((reason) => `* ${paragraph(reason).replaceAll('\n', '\n  ')}`).join('\n')}
`
}
