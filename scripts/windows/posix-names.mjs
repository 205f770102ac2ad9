// Preloaded under wine: lets Node's calls that remove or replace names do so at once, even while somebody has the file
// open, as on Windows 10 and later. Wine keeps such a file's name until it is closed, or refuses.

import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join, parse, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const { lstatSync, promises, renameSync, rmSync, unlinkSync } = fs
let count = 0

/** A directory on the mount that the tests are on. */
const ours = fileURLToPath(new URL('../../target', import.meta.url))

/** Moves a file out of the way, on its drive or, if that turns out to be another mount, on ours, and removes it. */
function vanish(path) {
  const { root } = parse(resolve(String(path)))
  const away = root === parse(tmpdir()).root ? tmpdir() : join(root, 'tmp')
  const name = `gone-${process.pid}-${(count += 1)}`
  let gone = join(away, name)
  try {
    renameSync(path, gone)
  } catch (error) {
    if (error.code !== 'EXDEV') throw error
    gone = join(ours, name)
    renameSync(path, gone)
  }
  try {
    unlinkSync(gone)
  } catch {
    // It is out of the way, and goes when the last one that has it open closes it.
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
