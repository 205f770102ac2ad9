// What OpenClaw 2026.9 is built on, polling every millisecond.

import { withFileLock } from '@openclaw/fs-safe/file-lock'
import { optionsWith } from '../../__test__/support/fs-safe.mjs'

const OPTIONS = optionsWith({ minTimeout: 1, maxTimeout: 1, factor: 1 })

const run = (path, work) => withFileLock(path, OPTIONS, async () => work())

export const runs = { 'fs-safe': run }
