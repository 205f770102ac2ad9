// To be preloaded under wine: Node's calls that remove or replace names do it at once, also while somebody has the
// file open, as they do on Windows 10 and later. Wine keeps such a file's name until it is closed, or refuses.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join, parse, resolve } from 'node:path'

const { lstatSync, promises, renameSync, rmSync, unlinkSync } = fs
let count = 0

/** Moves a file to where nobody looks for it, and removes it there. */
function vanish(path) {
  const { root } = parse(resolve(String(path)))
  const away = root === parse(tmpdir()).root ? tmpdir() : join(root, 'tmp') // names stay on their drive
  const gone = join(away, `gone-${process.pid}-${(count += 1)}`)
  renameSync(path, gone)
  try {
    unlinkSync(gone)
  } catch {
    // It is out of the way, and goes with the last who has it open.
  }
}

fs.unlinkSync = (path) => {
  if (lstatSync(path).isDirectory()) unlinkSync(path)
  vanish(path)
}

fs.rmSync = (path, options) => {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile()) vanish(path)
  else rmSync(path, options)
}

fs.renameSync = (from, to) => {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!lstatSync(from).isFile() || !lstatSync(to).isFile()) throw error
    vanish(to)
    renameSync(from, to)
  }
}

const { rm } = promises
promises.unlink = async (path) => fs.unlinkSync(path)
promises.rename = async (from, to) => fs.renameSync(from, to)
promises.rm = async (path, options) => {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile()) vanish(path)
  else await rm(path, options)
}
syncBuiltinESMExports()
