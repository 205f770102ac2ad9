import lockfile from 'proper-lockfile'

export const { lock } = lockfile

/** It polls, here every millisecond: its default is a second and more. */
const POLLING = { retries: { forever: true, retries: 1, factor: 1, minTimeout: 1, maxTimeout: 1 } }

async function run(path, work) {
  const release = await lock(path, POLLING)
  await work()
  await release()
}

export const runs = { 'proper-lockfile': run }
