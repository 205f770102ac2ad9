// Where the native addon is missing or does not load, the error says what is missing and what can be done.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SUPPORTED, libcMapped, libcNamed, platformName } from '../lib/platform.mjs'
import { scratch } from './support/index.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const { version, engines, napi } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const name = platformName()

/** A project with this package, as npm installs it when it leaves out the package with the binary. */
function project(t) {
  const directory = join(scratch(t), 'project')
  const leasehold = join(directory, 'node_modules', 'leasehold')
  for (const each of ['package.json', 'index.js']) {
    cpSync(join(root, each), join(leasehold, each), { recursive: true })
  }
  return { directory, leasehold }
}

/** Installs the package with the binary, or with `contents` in its place, into `directory`. */
function installBinary(directory, contents) {
  const binary = join(directory, 'node_modules', `leasehold-${name}`)
  mkdirSync(binary, { recursive: true })
  cpSync(join(root, 'npm', name, 'package.json'), join(binary, 'package.json'))
  const file = `leasehold.${name}.node`
  if (contents) writeFileSync(join(binary, file), contents)
  else cpSync(join(root, file), join(binary, file))
}

/** Loads the package in a process of its own, after running `before`; the environment names `binary`. */
function load({ directory }, how, { before = '', binary = '' } = {}) {
  const report = '({ message, code, cause }) => console.log(JSON.stringify({ message, code, cause: !!cause }))'
  const loading = { require: "require('leasehold')", import: "await import('leasehold')" }[how]
  const body = `${before}; (async () => { ${loading} })().then(() => console.log('loaded'), ${report})`
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', body], {
    cwd: directory,
    encoding: 'utf8',
    // Every package that napi-rs made reads the second one: it may be meant for any of them.
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      LEASEHOLD_NATIVE_LIBRARY_PATH: binary,
      NAPI_RS_NATIVE_LIBRARY_PATH: '/of/another/package.node',
    },
  })
  assert.equal(stderr, '')
  return stdout === 'loaded\n' ? 'loaded' : JSON.parse(stdout)
}

for (const how of ['require', 'import']) {
  test(`${how} says which package is missing, how it is installed, and how it is built`, (t) => {
    const { message, code, cause } = load(project(t), how)
    assert.equal(code, 'addon_unavailable')
    assert.ok(cause)
    assert.match(message, new RegExp(`^leasehold cannot load its native .* leasehold-${name}@${version}, is not`))
    assert.ok(message.includes(`npm install leasehold-${name}@${version}`))
    assert.ok(message.includes('--omit=optional'))
    assert.ok(message.includes('node scripts/prepare.mjs'))
  })
}

test('a platform that there is no package for is told so, and how to build one', (t) => {
  const before = "Object.defineProperty(process, 'platform', { value: 'sunos' })"
  const { message } = load(project(t), 'require', { before })
  assert.match(message, new RegExp(`no package has a binary for sunos-${process.arch}\\b`))
  assert.ok(message.includes('node scripts/prepare.mjs'))
  assert.doesNotMatch(message, /npm install leasehold-/)
})

test('a binary that does not load is not called missing, and the reason is given', (t) => {
  const { directory } = project(t)
  installBinary(directory, 'no addon')
  const { message } = load({ directory }, 'require')
  assert.match(message, new RegExp(`leasehold-${name} was found but cannot be loaded: [^]*leasehold\\.${name}\\.node`))
  assert.doesNotMatch(message, /not installed/)
})

test('a binary of another version is refused, and the error says which one fits', (t) => {
  const { directory, leasehold } = project(t)
  installBinary(directory)
  const index = join(leasehold, 'index.js')
  const newer = readFileSync(index, 'utf8').replaceAll(version, '999.0.0')
  writeFileSync(index, newer)
  const { message, code } = load({ directory }, 'require')
  assert.equal(code, 'addon_unavailable')
  assert.ok(message.includes(`its version is ${version}, but index.js has version 999.0.0`), message)
  assert.ok(message.includes(`npm install leasehold-${name}@999.0.0`), message)
  const binary = join(root, `leasehold.${name}.node`)
  const named = load({ directory }, 'require', { binary })
  assert.equal(named.code, 'addon_unavailable')
  assert.ok(named.message.includes('LEASEHOLD_NATIVE_LIBRARY_PATH names, cannot be loaded: its version'), named.message)
})

test('the crate, its lock file and that of npm have the version of the package', () => {
  const read = (file) => readFileSync(join(root, file), 'utf8')
  const [, crate] = /^version = "(.*)"$/m.exec(read('Cargo.toml'))
  const [, locked] = /^name = "leasehold"\nversion = "(.*)"$/m.exec(read('Cargo.lock').replaceAll('\r', ''))
  const npm = JSON.parse(read('package-lock.json'))
  assert.deepEqual([crate, locked, npm.version, npm.packages[''].version], Array(4).fill(version))
})

test('the package with the binary is all that was missing', (t) => {
  const { directory } = project(t)
  installBinary(directory)
  assert.equal(load({ directory }, 'require'), 'loaded')
})

test('the binary is found wherever Node would find it', (t) => {
  const { directory, leasehold } = project(t)
  installBinary(dirname(directory)) // as for a project in a workspace
  assert.equal(load({ directory }, 'require'), 'loaded')
  installBinary(directory, 'of another version')
  assert.equal(load({ directory }, 'require').code, 'addon_unavailable')
  installBinary(leasehold) // as npm does when the place beside the package is taken
  assert.equal(load({ directory }, 'require'), 'loaded')
})

test('the environment may name the binary, which then is the one that counts', (t) => {
  const { directory, leasehold } = project(t)
  assert.equal(load({ directory }, 'require', { binary: join(root, `leasehold.${name}.node`) }), 'loaded')
  cpSync(join(root, `leasehold.${name}.node`), join(leasehold, `leasehold.${name}.node`))
  assert.equal(load({ directory }, 'require'), 'loaded')
  const missing = join(directory, 'missing.node')
  const program = join(directory, 'program.js')
  writeFileSync(program, "console.log('it was run')")
  for (const [binary, why] of [[missing, 'Cannot find module'], [program, 'its name does not end in .node']]) {
    const { message, code } = load({ directory }, 'require', { binary })
    assert.equal(code, 'addon_unavailable')
    const named = `${binary}, which LEASEHOLD_NATIVE_LIBRARY_PATH names, cannot be loaded`
    assert.ok(message.includes(`${named}: ${why}`), message)
    assert.doesNotMatch(message, /not installed/)
  }
})

for (const [libc, loaders] of Object.entries({
  musl: ['/lib/ld-musl-x86_64.so.1', '/lib/ld-musl-aarch64.so.1'],
  gnu: ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1', '/nix/store/0a-glibc/lib/ld-linux-x86-64.so.2'],
  // Then the mapped files have to tell.
  undefined: ['/lib/ld64.so.1', '/opt/ld-musl-tools/lib', '/etc/ld-musl-x86_64.path', '/opt/ld-musl-x86_64.so.1.d', ''],
})) {
  test(`the loader that a program asks for gives libc away: ${libc}`, () => {
    for (const loader of loaders) {
      assert.equal(String(libcNamed(`\x7fELF\x02\x01\x01\0\0\0\0${loader}\0GNU\0`)), libc, loader)
    }
  })
}

for (const [libc, lines] of Object.entries({
  musl: [
    '7f2a66a5c000-7f2a66a70000 r--p 00000000 fe:00 1313 /lib/ld-musl-x86_64.so.1',
    'ffff8f5d0000-ffff8f66c000 r-xp 00000000 fe:00 1313 /lib/ld-musl-aarch64.so.1',
    '7f2a66a5c000-7f2a66a70000 r--p 00000000 fe:00 1313 /usr/lib/x86_64-linux-musl/libc.so',
  ],
  gnu: [
    '7f2a66a5c000-7f2a66a82000 r--p 00000000 fe:00 1313 /usr/lib/x86_64-linux-gnu/libc.so.6',
    '7f2a66a5c000-7f2a66a82000 r--p 00000000 fe:00 1313 /lib64/libc-2.28.so',
    '7f2a66c50000-7f2a66c51000 r--p 00000000 fe:00 1314 /usr/lib64/ld-linux-x86-64.so.2',
    '55d0c8a00000-55d0c8b00000 r--p 00000000 fe:00 1315 /opt/ld-musl-tools/bin/node',
    '55d0c8a00000-55d0c8b00000 r--p 00000000 fe:00 1315 /home/libc.so/not-libc.so.1',
  ],
})) {
  test(`${libc} is known by what is mapped into the process, whatever is mapped beside it`, () => {
    const beside = '55d0c9a5c000-55d0c9a7d000 rw-p 00000000 00:00 0 [heap]'
    for (const line of lines) assert.equal(libcMapped(`${beside}\n${line}\n${beside}\n`), libc, line)
  })
}

test('there is a package for each platform that binaries are built for, and each fits only there', () => {
  assert.deepEqual(readdirSync(join(root, 'npm')).sort(), SUPPORTED)
  assert.equal(napi.targets.length, SUPPORTED.length)
  for (const each of SUPPORTED) {
    const [os, cpu, abi] = each.split('-')
    const libc = { gnu: ['glibc'], musl: ['musl'] }[abi]
    const manifest = JSON.parse(readFileSync(join(root, 'npm', each, 'package.json'), 'utf8'))
    const main = `leasehold.${each}.node`
    const expected = { name: `leasehold-${each}`, version, main, files: [main], os: [os], cpu: [cpu], libc, engines }
    for (const [field, value] of Object.entries(expected)) assert.deepEqual(manifest[field], value, `${each}: ${field}`)
  }
})
