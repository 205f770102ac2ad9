// Gives everything that has a version that of package.json. `npm version` runs it.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './prepare.mjs'

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

function raise(file, old) {
  const path = join(root, file)
  writeFileSync(path, readFileSync(path, 'utf8').replace(old, version))
}

for (const platform of readdirSync(join(root, 'npm'))) raise(`npm/${platform}/package.json`, /(?<="version": ").*(?=")/)
raise('Cargo.toml', /(?<=^version = ").*(?=")/m)
raise('Cargo.lock', /(?<=^name = "leasehold"\nversion = ").*(?=")/m)
