// Puts the table and the picture where people find them.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { machine } from './machine.mjs'
import { page } from './page.mjs'
import { picture } from './picture.mjs'

/** Writes `demo.md` and `demo.svg` into `directory`; says what it has done, or why not. */
export async function publish(outcomes, directory) {
  const where = machine()
  try {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'demo.md'), page(outcomes, where))
    await writeFile(join(directory, 'demo.svg'), picture(outcomes, where))
    return `The table and a picture are in ${directory}: demo.md, demo.svg.`
  } catch (error) {
    // An installed package is often read-only, and the demo has shown what it had to show.
    return `The table and the picture could not be written: ${error.message}`
  }
}
