// Packages as they are published, and empty projects that install them.

import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from '../../scripts/prepare.mjs'

export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Where the napi-rs command line is installed. */
export const NAPI = join(root, 'scripts', 'napi')

/** `[platform, target]`: the names that the binaries and Rust use for it. */
export const TARGETS = manifest.napi.targets.map((target) => {
  const [cpu, , os, abi] = target.split('-')
  const arch = { x86_64: 'x64', aarch64: 'arm64' }[cpu]
  return [os === 'darwin' ? `darwin-${arch}` : `${os === 'windows' ? 'win32' : os}-${arch}-${abi}`, target]
})

export const binaryName = (platform) => `leasehold.${platform}.node`
export const isBuilt = (platform) => existsSync(join(root, binaryName(platform)))

/** A napi-rs configuration with only the targets that were built here. */
export const BUILT_ONLY = { targets: TARGETS.filter(([platform]) => isBuilt(platform)).map(([, target]) => target) }

/** Runs a program; resolves to its exit code and what it printed. */
export function run(command, args, { cwd, env } = {}) {
  const options = { cwd, env: { ...process.env, NODE_OPTIONS: '', ...env }, maxBuffer: 1 << 26, timeout: 300_000 }
  return new Promise((resolve) =>
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal) : 0, stdout, stderr, output: stdout + stderr }),
    ),
  )
}

export const node = (args, options) => run(process.execPath, args, options)

/** npm with the registry at `url`, and without the settings of the user or of an npm that runs these tests. */
export function npmWith(url, home) {
  const userconfig = join(home, 'npmrc')
  writeFileSync(userconfig, `registry=${url}/\n${url.slice('http:'.length)}/:_authToken=anyone\n`)
  const settings = {
    userconfig,
    registry: `${url}/`,
    cache: join(home, 'cache'),
    proxy: 'null',
    noproxy: '127.0.0.1',
    audit: 'false',
    fund: 'false',
    'update-notifier': 'false',
    'fetch-retries': '0',
    loglevel: 'error',
    'dry-run': 'false',
  }
  const variable = (name) => `npm_config_${name.replaceAll('-', '_')}`
  const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [variable(name), value]))
  return (args, cwd) => run(...npm(...args), { cwd, env })
}

/** What a release is made from: the published files, npm/, and one artifact per target as the builds upload them. */
export function stage(directory) {
  for (const each of ['package.json', 'README.md', 'LICENSE', 'npm', 'lib', 'scripts/bundle.mjs', 'index.d.ts']) {
    cpSync(join(root, each), join(directory, each), { recursive: true, filter: (path) => !path.endsWith('.node') })
  }
  // What publishing is done with.
  for (const each of ['node_modules', join('scripts', 'napi')]) {
    symlinkSync(join(root, each), join(directory, each), 'junction')
  }
  for (const [platform, target] of TARGETS) {
    const artifact = join(directory, 'artifacts', `bindings-${target}`)
    mkdirSync(artifact, { recursive: true })
    const file = join(artifact, binaryName(platform))
    if (isBuilt(platform)) cpSync(join(root, binaryName(platform)), file)
    else writeFileSync(file, 'stands in for a binary that was not built here; never loaded')
  }
  return directory
}

/** Runs the napi-rs command line. */
export function napi(args, cwd) {
  return node([join(NAPI, 'node_modules', '@napi-rs', 'cli', 'dist', 'cli.js'), ...args], { cwd })
}

/** Creates an empty project. */
export function emptyProject(directory) {
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'project', version: '1.0.0', private: true }))
  return directory
}

const USES = {
  'uses.mjs': `
    import assert from 'node:assert/strict'
    import { withFileLock } from 'leasehold'
    import { withFileLock as dropIn } from 'leasehold/file-lock'
    import { readJsonFileWithFallback } from 'leasehold/json-store'
    import { acquireSessionWriteLock } from 'leasehold/session-write-lock'
    assert.equal(dropIn, withFileLock)
    assert.equal(await withFileLock('file', async (lock) => (lock.assertHeld(), 'done')), 'done')
    assert.deepEqual(await readJsonFileWithFallback('none.json', 7), { value: 7, exists: false })
    await (await acquireSessionWriteLock({ sessionFile: 'session.jsonl' })).release()
    console.log('used')`,
  'uses.cjs': `
    const assert = require('node:assert/strict')
    const leasehold = require('leasehold')
    for (const each of ['file-lock', 'json-store', 'session-write-lock']) require('leasehold/' + each)
    const lock = leasehold.acquireFileLockSync('file')
    assert.ok(lock.held)
    lock.releaseSync()
    console.log('used')`,
}

const TYPED = {
  'typed.mts': `
    import { withFileLock, type FileLockHandle } from 'leasehold'
    import { acquireFileLock } from 'leasehold/file-lock'
    import { loadJsonFile } from 'leasehold/json-store'
    import { acquireSessionWriteLock } from 'leasehold/session-write-lock'
    export const sum: Promise<number> = withFileLock('file', async (lock: FileLockHandle) => Number(lock.token))
    export const uses = [acquireFileLock, loadJsonFile, acquireSessionWriteLock]
    // @ts-expect-error the path has to be a text
    void acquireFileLock(1)`,
  'typed.cts': `
    import leasehold = require('leasehold')
    export const held: boolean = leasehold.acquireFileLockSync('file').held`,
}

/** Resolves to how each way to use the package went: "used" where it went well. */
export async function use(directory) {
  const results = {}
  for (const [name, source] of Object.entries(USES)) {
    writeFileSync(join(directory, name), source)
    const { code, output } = await node([name], { cwd: directory })
    results[name] = code === 0 ? output.trim() : output
  }
  return results
}

/** Compiles against its types, as a strict program does; resolves to the compiler's complaints. */
export async function compile(directory) {
  for (const [name, source] of Object.entries(TYPED)) writeFileSync(join(directory, name), source)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    lib: ['es2023'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: Object.keys(TYPED) }))
  return node([join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', directory], { cwd: directory })
}
