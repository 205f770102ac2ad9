// Plain CommonJS JavaScript, as an editor checks it.

const { acquireFileLock, acquireSessionWriteLock, withFileLock } = require('leasehold')
const leasehold = require('leasehold')

/** @param {import('leasehold').FileLockHandle} handle */
async function use(handle) {
  await handle.appendFile('text\n')
}

async function main() {
  await withFileLock('a', { timeoutMs: 10 }, use)
  const lock = await acquireFileLock('a')
  await lock.release()
  const { release } = await acquireSessionWriteLock({ sessionFile: 'a' })
  await release()
  /** @type {import('leasehold').LockOwner | undefined} */
  const owner = (await leasehold.inspectLock('a')).owner
  // @ts-expect-error a misspelt option
  await acquireFileLock('a', { timeOut: 10 })
  return owner
}

module.exports = { main }
