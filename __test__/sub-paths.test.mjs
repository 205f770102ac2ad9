// Each sub-path of the package has the names of one of OpenClaw's modules and no others, for import and require, and
// for TypeScript however it resolves modules.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { child, scratch } from './support/index.mjs'
import { noDirectoryLinks as skip } from './support/platform.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

/** What each of OpenClaw's modules exports in any of its versions: values, then types. */
const modules = {
  'file-lock': {
    values: [
      'FILE_LOCK_STALE_ERROR_CODE',
      'FILE_LOCK_TIMEOUT_ERROR_CODE',
      'acquireFileLock',
      'drainFileLockStateForTest',
      'reclaimDefinitelyStaleFileLock',
      'resetFileLockStateForTest',
      'withFileLock',
    ],
    types: [
      'FileLockHandle',
      'FileLockOptions',
      'FileLockStaleError',
      'FileLockTimeoutError',
      'StaleFileLockReclaimResult',
    ],
  },
  'json-store': {
    values: ['loadJsonFile', 'readJsonFileWithFallback', 'saveJsonFile', 'writeJsonFileAtomically'],
    types: [],
  },
  'session-write-lock': {
    values: [
      '__testing',
      'acquireSessionWriteLock',
      'cleanStaleLockFiles',
      'drainSessionWriteLockStateForTest',
      'resetSessionWriteLockStateForTest',
      'resolveSessionLockMaxHoldFromTimeout',
      'resolveSessionWriteLockAcquireTimeoutMs',
      'resolveSessionWriteLockOptions',
      'resolveSessionWriteLockStaleMs',
      'testing',
    ],
    types: ['SessionLockInspection', 'SessionLockOwnerProcessArgsReader', 'SessionWriteLockAcquireTimeoutConfig'],
  },
}

/** A user's package in which this one is installed. */
function project(t) {
  const directory = scratch(t)
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(root, join(directory, 'node_modules', 'leasehold'), 'dir')
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }')
  return directory
}

/** Names in OpenClaw's modules for which the package itself uses other names. */
const otherwise = { testing: '__testing' }

const sorted = (names) => [...names].sort()

for (const [name, { values, types }] of Object.entries(modules)) {
  test(`leasehold/${name} exports the names of OpenClaw's module, as the package itself does`, () => {
    const exported = require(`leasehold/${name}`)
    assert.deepEqual(sorted(Object.keys(exported)), sorted(values))
    for (const each of values) {
      assert.notEqual(exported[each], undefined, each)
      assert.equal(exported[each], require('leasehold')[otherwise[each] ?? each], each)
    }
  })

  test(`leasehold/${name} can be imported by name, wherever the package is installed`, { skip }, async (t) => {
    const directory = project(t)
    const entry = join(directory, 'entry.mjs')
    const names = values.join(', ')
    writeFileSync(entry, `import { ${names} } from 'leasehold/${name}'\nexport default [${names}]\n`)
    const one = child(
      t,
      async ({ send, args: { url } }) => {
        const { default: imported } = await import(url)
        send({ kinds: imported.map((value) => typeof value) })
      },
      { args: { url: pathToFileURL(entry) } },
    )
    assert.ok((await one.next('kinds')).kinds.every((kind) => ['function', 'string', 'object'].includes(kind)))
  })

  for (const [resolution, module] of [
    ['Node10', 'CommonJS'],
    ['Node16', 'Node16'],
    ['NodeNext', 'NodeNext'],
    ['Bundler', 'ESNext'],
  ]) {
    test(`leasehold/${name} declares its names (moduleResolution ${resolution})`, { skip }, (t) => {
      const entry = join(project(t), 'entry.ts')
      writeFileSync(entry, `export * from 'leasehold/${name}'\nexport { LockError } from 'leasehold'\n`)
      const program = ts.createProgram([entry], {
        noEmit: true,
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
        types: [],
        module: ts.ModuleKind[module],
        moduleResolution: ts.ModuleResolutionKind[resolution],
      })
      const problems = ts.getPreEmitDiagnostics(program)
      assert.deepEqual(problems.map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n')), [])
      const checker = program.getTypeChecker()
      const declared = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)))
      assert.deepEqual(sorted(declared.map((each) => each.name)), sorted([...values, ...types, 'LockError']))
    })
  }
}

test('nothing else of the package can be imported', () => {
  for (const path of ['lib/acquire.mjs', 'lib/index.mjs', 'lib/drop-in/file-lock.js', 'file-lock.js']) {
    assert.throws(() => require(`leasehold/${path}`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }, path)
  }
})

test('everything that is exported is published', () => {
  const { exports, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const paths = Object.values(exports).flatMap((each) => (typeof each === 'string' ? each : Object.values(each)))
  for (const path of paths.filter((path) => path !== './package.json')) {
    assert.ok(files.some((file) => path === `./${file}` || path.startsWith(`./${file}/`)), path)
  }
})
