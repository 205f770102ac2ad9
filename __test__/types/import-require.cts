// TypeScript that is compiled to CommonJS.

import leasehold = require('leasehold')
import { withFileLock, type FileLockHandle } from 'leasehold'

const work = async (handle: FileLockHandle) => handle.lockPath.length
export const done: Promise<number> = leasehold.withFileLock('a', work)
export const isSame: boolean = withFileLock === leasehold.withFileLock

// @ts-expect-error nothing of that name is exported
leasehold.lock('a')
