// What the platform at hand cannot do, as reasons to skip a test: `false` where it can.

import { existsSync, mkdtempSync, rmSync, symlinkSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { platformName } from '../../lib/platform.mjs'

export const onLinux = process.platform === 'linux'
export const onWindows = process.platform === 'win32'
/** Wine calls itself Windows; a program that only wine has gives it away. */
export const onWine = onWindows && existsSync(join(process.env.SystemRoot ?? 'C:\\Windows', 'system32', 'winecfg.exe'))

/** The signals that leasehold listens to while there are locks. */
export const SIGNALS = onWindows
  ? ['SIGINT', 'SIGBREAK', 'SIGHUP']
  : ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT']

/** How many times longer everything may take here than on a quiet machine. */
export const patience = Number(process.env.LEASEHOLD_TEST_PATIENCE) || 1

function whyNoLinks(type) {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-links-'))
  try {
    mkdirSync(join(directory, 'to'))
    symlinkSync(join(directory, type === 'file' ? 'missing' : 'to'), join(directory, 'link'), type)
    return lstatSync(join(directory, 'link')).isSymbolicLink() ? false : 'a symbolic link is made, and is none (wine)'
  } catch (error) {
    return `symbolic links cannot be made here (${error.code})`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

export const noFileLinks = onWindows && whyNoLinks('file')
export const noDirectoryLinks = onWindows && whyNoLinks('dir')
const onMusl = platformName().endsWith('-musl')
export const noFaketime = onMusl && 'libfaketime is built for glibc and does not load with musl'
export const notAsGlibc = onMusl && 'the rules count calls of glibc; musl calls open for openat, and fcntl after it'
export const noSignals = onWindows && 'Windows has no signals that one process could send another'
export const noFreezing = onWindows && 'Windows has no signal that stops a process'
export const noProc = !onLinux && 'there is no /proc here'
export const noUnixTools = onWindows && 'there are no mkfifo, sh and mount here'
export const noSockets = onWindows && 'sockets have no place in the file system here'
export const noModes = onWindows && 'files have no permission bits here'
