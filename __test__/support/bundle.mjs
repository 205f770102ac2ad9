// The package as bundlers leave it: one file, its classes renamed, its syntax lowered, only the addon outside.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What ES module bundles for Node need as long as they contain CommonJS modules. */
const REQUIRE = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`

/** Writes the package and `program` (CommonJS that gets it from `require('leasehold')`) into `file`. */
export function bundle(file, program) {
  const isModule = file.endsWith('.mjs')
  buildSync({
    stdin: { contents: program, resolveDir: root },
    outfile: file,
    bundle: true,
    platform: 'node',
    format: isModule ? 'esm' : 'cjs',
    banner: { js: isModule ? REQUIRE : '' },
    // As old as still makes sense: async functions become generators, private fields weak maps.
    target: 'es2015',
    minify: true,
    alias: { leasehold: join(root, 'index.js') },
    absWorkingDir: root,
    // Where the bundle looks for the addon.
    define: { __dirname: JSON.stringify(root) },
    logLevel: 'error',
  })
}

/** The package's code, bundled or not, as if it were of a version that does not share a copy with this one. */
export function asAnotherVersion(code) {
  return code.replaceAll(`leasehold@${version}`, 'leasehold@another')
}
