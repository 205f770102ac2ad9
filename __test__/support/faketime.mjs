// What a process under libfaketime leaves behind if it is killed.

import { existsSync, rmSync } from 'node:fs'

export const faketimeFiles = (pid) =>
  [`/dev/shm/faketime_shm_${pid}`, `/dev/shm/sem.faketime_sem_${pid}`].filter((path) => existsSync(path))

/** Removes that of a process that had `env` and has ended. */
export function forgetFaketime(pid, env) {
  if (!env.LD_PRELOAD?.includes('faketime')) return
  for (const path of faketimeFiles(pid)) rmSync(path)
}
