// As in a process that has locked before: loading and compiling on the first run takes milliseconds.

import { writeFileSync } from 'node:fs'

export async function warmUp(run, file) {
  const before = `${file}-before-${process.pid}`
  writeFileSync(before, '')
  await run(before, () => {})
}
