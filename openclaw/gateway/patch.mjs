// The smallest change that makes OpenClaw 2026.3.13 use leasehold's locks: one line in each of two functions, in every
// bundle that has them.

import { cpSync, lstatSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** The first line of a function of OpenClaw's, and the line to insert below. */
const CHANGES = [
  [
    'async function acquireSessionWriteLock(params) {',
    '\treturn (await import("leasehold/session-write-lock")).acquireSessionWriteLock(params);',
  ],
  [
    'async function acquireFileLock(filePath, options) {',
    '\treturn (await import("leasehold/file-lock")).acquireFileLock(filePath, options);',
  ],
]

/** How many lines of the file a diff shows above and below. */
const CONTEXT = 1

/**
 * Puts a patched copy of the package in `published` beside it, which finds the package in `leasehold` under that name.
 * Returns where it is and the `diff`: for each file, its name and the lines of its hunks.
 */
export function patchedCopy(published, leasehold) {
  const directory = join(dirname(published), 'openclaw-with-leasehold')
  rmSync(directory, { recursive: true, force: true })
  cpSync(published, directory, { recursive: true })
  const link = join(dirname(published), 'leasehold')
  if (lstatSync(link, { throwIfNoEntry: false })) rmSync(link)
  symlinkSync(leasehold, link)
  const diff = []
  for (const file of bundles(directory)) {
    const lines = readFileSync(file, 'utf8').split('\n')
    const { changed, hunks } = change(lines)
    if (hunks.length === 0) continue
    writeFileSync(file, changed.join('\n'))
    diff.push({ file: relative(directory, file), hunks })
  }
  if (diff.length === 0) throw new Error(`none of the functions to be changed is in ${directory}`)
  return { directory, diff }
}

/** All modules that may have locks in them. */
function bundles(directory) {
  return ['dist', 'dist/plugin-sdk']
    .map((name) => join(directory, name))
    .flatMap((name) => readdirSync(name).map((file) => join(name, file)))
    .filter((file) => file.endsWith('.js'))
}

function change(lines) {
  const changed = []
  const hunks = []
  lines.forEach((line, index) => {
    changed.push(line)
    const added = CHANGES.find(([first]) => first === line)?.[1]
    if (added === undefined) return
    changed.push(added)
    const start = index + 1 - CONTEXT
    const shown = [...lines.slice(start, index + 1).map((line) => ` ${line}`), `+${added}`]
    shown.push(...lines.slice(index + 1, index + 1 + CONTEXT).map((line) => ` ${line}`))
    const length = shown.length - 1
    hunks.push([`@@ -${start + 1},${length} +${start + 1 + hunks.length},${length + 1} @@`, ...shown])
  })
  return { changed, hunks }
}
