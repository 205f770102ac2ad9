// index.d.ts is written by hand: it must declare all that index.js exports, and what its functions really return.

import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { after, leasehold, scratch } from './support/index.mjs'

const declarations = fileURLToPath(new URL('../index.d.ts', import.meta.url))

function compile(options = {}) {
  return ts.createProgram([declarations], {
    noEmit: true,
    strict: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    ...options,
  })
}

const program = compile()
const checker = program.getTypeChecker()
const module = checker.getSymbolAtLocation(program.getSourceFile(declarations))
const declared = new Map(checker.getExportsOfModule(module).map((each) => [each.name, each]))

const isValue = (symbol) => (symbol.flags & ts.SymbolFlags.Value) !== 0
const sorted = (names) => [...names].sort()

/** The source text of a well-known symbol; Node before 24 describes the newer ones in its own way. */
function wellKnown(symbol) {
  return `[Symbol.${Reflect.ownKeys(Symbol).find((name) => Symbol[name] === symbol)}]`
}

/** The members of a declared class or interface; symbols as `[Symbol.dispose]`, as TypeScript and we write them. */
function membersOf(name) {
  const type = checker.getDeclaredTypeOfSymbol(declared.get(name))
  return checker.getPropertiesOfType(type).map((member) => ({
    name: member.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]'),
    optional: (member.flags & ts.SymbolFlags.Optional) !== 0,
  }))
}

/** Fails unless `object` has every required member of the declared type, and only declared ones. */
function assertShape(object, name) {
  const members = membersOf(name)
  const missing = members.filter((member) => !member.optional && !(member.name in object)).map((member) => member.name)
  assert.deepEqual(missing, [], `missing in a ${name}`)
  const known = new Set(members.map((member) => member.name))
  assert.deepEqual(Object.keys(object).filter((key) => !known.has(key)), [], `not declared in ${name}`)
}

test('every export is declared, and everything declared is exported', () => {
  const values = [...declared.values()].filter(isValue).map((symbol) => symbol.name)
  assert.deepEqual(sorted(values), sorted(Object.keys(leasehold)))
})

test('ES modules can import every export by its name', async () => {
  const imported = await import('../index.js')
  for (const [name, value] of Object.entries(leasehold)) assert.equal(imported[name], value, name)
})

test('classes are declared as classes, functions as functions, constants with their values', () => {
  for (const [name, value] of Object.entries(leasehold)) {
    const symbol = declared.get(name)
    const isClass = typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
    assert.equal((symbol.flags & ts.SymbolFlags.Class) !== 0, isClass, name)
    assert.equal((symbol.flags & ts.SymbolFlags.Function) !== 0, typeof value === 'function' && !isClass, name)
    if (typeof value === 'string') assert.equal(checker.getTypeOfSymbol(symbol).value, value, name)
  }
})

test('every export is documented, and every function has an example', () => {
  for (const [name, symbol] of declared) {
    assert.ok(symbol.getDocumentationComment(checker).length > 0, `${name} has no documentation`)
    if ((symbol.flags & ts.SymbolFlags.Function) !== 0) {
      assert.ok(symbol.getJsDocTags(checker).some((tag) => tag.name === 'example'), `${name} has no example`)
    }
  }
})

test('a handle has the declared members and no others', async (t) => {
  const handle = await leasehold.acquireFileLock(join(scratch(t), 'file'))
  after(t, () => handle.release())
  const prototype = Object.getPrototypeOf(handle)
  const members = [...Reflect.ownKeys(handle), ...Reflect.ownKeys(prototype)]
    .filter((key) => key !== 'constructor')
    .map((key) => (typeof key === 'symbol' ? wellKnown(key) : key))
  assert.deepEqual(sorted(members), sorted(membersOf('FileLockHandle').map((member) => member.name)))
})

test('reports have the declared shape', async (t) => {
  const directory = scratch(t)
  const path = join(directory, 'file')
  const handle = await leasehold.acquireFileLock(path, { label: 'report', maxHoldMs: Infinity })
  after(t, () => handle.release())
  const [report] = leasehold.heldLocks().filter((held) => held.targetPath === path)
  assertShape(report, 'HeldLock')
  const inspection = await leasehold.inspectLock(path)
  assertShape(inspection, 'LockInspection')
  assertShape(inspection.owner, 'LockOwner')
  writeFileSync(join(directory, 'unreadable.lock'), '')
  for (const name of ['free', 'unreadable']) {
    const other = await leasehold.inspectLock(join(directory, name))
    assertShape(other, 'LockInspection')
    if (other.owner) assertShape(other.owner, 'LockOwner')
  }
})

test('errors have the declared fields', async (t) => {
  const directory = scratch(t)
  const at = (name) => join(directory, name)
  const failure = (promise) => promise.then(() => assert.fail('did not fail'), (error) => error)
  const handle = await leasehold.acquireFileLock(at('held'), { label: 'errors' })
  mkdirSync(at('directory.lock'))
  writeFileSync(at('stale.lock'), JSON.stringify({ pid: 4_194_305, createdAt: new Date().toISOString() }))
  const errors = {
    FileLockTimeoutError: await failure(leasehold.acquireFileLock(at('held'), { timeoutMs: 1 })),
    SessionWriteLockTimeoutError: await failure(
      leasehold.acquireSessionWriteLock({ sessionFile: at('held'), timeoutMs: 1 }),
    ),
    FileLockStaleError: await failure(leasehold.acquireFileLock(at('stale'), { staleRecovery: 'fail-closed' })),
    LockDeadlockError: await failure((async () => leasehold.acquireFileLockSync(at('held')))()),
    NotALockFileError: await failure(leasehold.acquireFileLock(at('directory'))),
  }
  rmSync(handle.lockPath)
  errors.LockLostError = await failure((async () => handle.assertHeld())())
  await handle.release()
  const released = await leasehold.acquireFileLock(at('released'))
  await released.release()
  errors.LockError = await failure((async () => released.assertHeld())())
  errors.JsonFileError = await failure(leasehold.writeJsonFileAtomically(directory, 1))
  for (const [name, error] of Object.entries(errors)) {
    assert.equal(error.name, name, error.stack)
    assert.ok(error instanceof leasehold[name], name)
    assertShape(error, name)
    const code = checker.getTypeOfSymbol(checker.getDeclaredTypeOfSymbol(declared.get(name)).getProperty('code'))
    if (code.isStringLiteral()) assert.equal(error.code, code.value, name)
  }
  assert.equal(errors.LockError.code, 'file_lock_released')
})

test('the declarations need no particular library', () => {
  const libraries = {
    'neither @types/node nor explicit resource management': { types: [], lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'] },
    '@types/node alone': { types: ['node'], lib: ['lib.es2022.d.ts'] },
    'everything': { types: ['node'], lib: ['lib.esnext.full.d.ts'] },
  }
  for (const [name, options] of Object.entries(libraries)) {
    const problems = ts.getPreEmitDiagnostics(compile(options))
    assert.deepEqual(problems.map((each) => ts.flattenDiagnosticMessageText(each.messageText, '\n')), [], name)
  }
})
