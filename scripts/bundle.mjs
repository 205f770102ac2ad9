// Bundles lib/ into index.js, unless that is up to date.
//
//   node scripts/bundle.mjs   needs the development packages

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * However often a version is loaded (installed twice, or by test suites that reset modules), a thread has one copy of
 * it: one set of listeners, and calls that know of each other. Another version has a copy of its own.
 * Modules find their version in `$version`: reading package.json would take longer.
 */
const IN_ONE_COPY = {
  intro: `const $version = '${version}'
const $copy = Symbol.for('${name}@${version}')
if (globalThis[$copy]) Object.assign(exports, globalThis[$copy])
else {`,
  outro: `globalThis[$copy] = { ...exports }
}`,
}

/** Throws if a module of lib/ imports something that does not exist: any warning of Rollup is one too many. */
export async function bundle() {
  const { rollup } = await import('@rollup/wasm-node')
  const made = await rollup({
    input: join(root, 'lib', 'index.mjs'),
    external: isBuiltin,
    onwarn({ message }) {
      throw new Error(message)
    },
  })
  const { output } = await made.generate({
    format: 'cjs',
    banner: '// Generated from lib/ by scripts/bundle.mjs.',
    esModule: false,
    externalLiveBindings: false,
    generatedCode: { preset: 'es2015', symbols: false },
    ...IN_ONE_COPY,
  })
  const index = join(root, 'index.js')
  const [{ code }] = output
  if (existsSync(index) && readFileSync(index, 'utf8') === code) return
  // Renamed into place: whoever is loading it finds a whole file at any time.
  writeFileSync(`${index}.new`, code)
  renameSync(`${index}.new`, index)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle()
