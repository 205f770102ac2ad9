// The packages as users get them: really packed, published (to a registry on this machine) and installed.

import assert from 'node:assert/strict'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { platformName } from '../../lib/platform.mjs'
import { root } from '../../scripts/prepare.mjs'
import {
  BUILT_ONLY,
  TARGETS,
  binaryName,
  compile,
  emptyProject,
  isBuilt,
  manifest,
  napi,
  npmWith,
  stage,
  use,
} from './project.mjs'
import { startRegistry } from './registry.mjs'

const here = platformName()
const { version } = manifest
const USED = { 'uses.mjs': 'used', 'uses.cjs': 'used' }

const DRY_RUN = ['prepublish', '--tag-style', 'npm', '--no-gh-release', '--dry-run']

// With a space, as many paths on Windows.
const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'leasehold packages-')))
const inScratch = (name) => join(scratch, name)
const released = inScratch('released')
let registry
let npm

/** Runs npm, which has to succeed; resolves to what it printed. */
async function npmDoes(args, cwd) {
  const { code, stdout, output } = await npm(args, cwd)
  assert.equal(code, 0, `npm ${args.join(' ')}: ${output}`)
  return stdout
}

async function pack(directory) {
  const [{ filename, files }] = JSON.parse(await npmDoes(['pack', '--json', '--pack-destination', scratch], directory))
  return { tarball: inScratch(filename), files: files.map(({ path }) => path).sort() }
}

/** The packages with binaries that are installed in a project. */
const installed = (directory) =>
  readdirSync(join(directory, 'node_modules')).filter((name) => name.startsWith('leasehold-'))

before(async () => {
  registry = await startRegistry()
  npm = npmWith(registry.url, scratch)
  stage(released)
  const { code, output } = await napi(['artifacts'], released)
  assert.equal(code, 0, output)
})
after(() => {
  registry.stop()
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
})

describe('packages', { concurrency: 1 }, () => {
  test('npm ci in the repository needs none of them published', async () => {
    const names = (path) => Object.keys(JSON.parse(readFileSync(join(root, path), 'utf8')).packages ?? {})
    assert.equal(manifest.optionalDependencies, undefined)
    assert.deepEqual(names('package-lock.json').filter((name) => name.includes('node_modules/leasehold')), [])
  })

  test('npm version raises the version of everything', async () => {
    const copy = inScratch('raised')
    const files = ['package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock']
    for (const each of [...files, 'npm', 'scripts', 'lib']) {
      const filter = (path) => !path.endsWith('node_modules')
      cpSync(join(root, each), join(copy, each), { recursive: true, filter })
    }
    await npmDoes(['version', '--no-git-tag-version', '999.0.0'], copy)
    for (const each of [...files, ...TARGETS.map(([name]) => `npm/${name}/package.json`)]) {
      const [before, after] = [root, copy].map((directory) => readFileSync(join(directory, each), 'utf8'))
      assert.notEqual(after, before, each)
      assert.equal(after.replaceAll('999.0.0', version), before, each)
    }
  })

  test('napi prepublish accepts those that were built here, and changes nothing in a dry run', async () => {
    writeFileSync(inScratch('built-only.json'), JSON.stringify(BUILT_ONLY))
    const { code, output } = await napi([...DRY_RUN, '--config-path', inScratch('built-only.json')], released)
    assert.equal(code, 0, output)
    assert.deepEqual(JSON.parse(readFileSync(join(released, 'package.json'), 'utf8')), manifest)
  })

  test('napi prepublish refuses to release without a binary, and names it', async () => {
    const binary = join(released, 'npm', here, binaryName(here))
    renameSync(binary, `${binary}.away`)
    const { code, output } = await napi(DRY_RUN, released)
    renameSync(`${binary}.away`, binary)
    assert.notEqual(code, 0)
    assert.ok(output.includes(`leasehold-${here} is incomplete: missing ${binaryName(here)}`), output)
  })

  for (const [name, target] of TARGETS) {
    const skip = !isBuilt(name) && `not built here: ${binaryName(name)} is missing`
    test(`the package for ${target} has its binary, and nothing else`, { skip }, async () => {
      const { files } = await pack(join(released, 'npm', name))
      assert.deepEqual(files, ['README.md', binaryName(name), 'package.json'])
    })
  }

  test('two tarballs, installed into an empty project, are all it needs', async () => {
    const main = await pack(released)
    assert.deepEqual(main.files.filter((path) => !path.startsWith('lib/')), [
      'LICENSE',
      'README.md',
      'index.d.ts',
      'index.js',
      'package.json',
    ])
    const { tarball } = await pack(join(released, 'npm', here))
    const project = emptyProject(inScratch('tarballs'))
    await npmDoes(['install', main.tarball, tarball], project)
    assert.deepEqual(await use(project), USED)
    const { code, output } = await compile(project)
    assert.equal(code, 0, output)
  })

  test('the folder in which it was built is installed as a link, which is all it needs', async () => {
    const project = emptyProject(inScratch('linked'))
    await npmDoes(['install', root], project)
    assert.deepEqual(await use(project), USED)
  })

  test('npm publish releases one package per target and one that asks for all of them', async () => {
    await npmDoes(['publish'], released)
    const names = TARGETS.map(([name]) => `leasehold-${name}`)
    assert.deepEqual([...registry.packages.keys()].sort(), ['leasehold', ...names].sort())
    const { optionalDependencies } = registry.packages.get('leasehold').versions[version]
    assert.deepEqual(optionalDependencies, Object.fromEntries(names.map((name) => [name, version])))
  })

  test('npm install leasehold brings the binary for this platform and no other', async () => {
    const project = emptyProject(inScratch('by-name'))
    await npmDoes(['install', 'leasehold'], project)
    assert.deepEqual(installed(project), [`leasehold-${here}`])
    assert.deepEqual(await use(project), USED)
    rmSync(join(project, 'node_modules'), { recursive: true })
    await npmDoes(['ci'], project)
    assert.deepEqual(installed(project), [`leasehold-${here}`])
    assert.deepEqual(await use(project), USED)
  })

  for (const [name, target] of TARGETS) {
    test(`npm install for ${target} brings leasehold-${name}`, async () => {
      const [os, cpu, abi] = name.split('-')
      const libc = { gnu: ['--libc=glibc'], musl: ['--libc=musl'] }[abi] ?? []
      const project = emptyProject(inScratch(`for-${name}`))
      await npmDoes(['install', 'leasehold', `--os=${os}`, `--cpu=${cpu}`, ...libc], project)
      assert.deepEqual(installed(project), [`leasehold-${name}`])
      assert.ok(existsSync(join(project, 'node_modules', `leasehold-${name}`, binaryName(name))))
    })
  }

  test('where npm was told to leave it out, doing what the error says helps', async () => {
    const project = emptyProject(inScratch('omitted'))
    await npmDoes(['install', 'leasehold', '--omit=optional'], project)
    assert.deepEqual(installed(project), [])
    const { 'uses.mjs': imported, 'uses.cjs': required } = await use(project)
    const advice = `npm install leasehold-${here}@${version}`
    for (const output of [imported, required]) assert.ok(output.includes(advice), output)
    await npmDoes(advice.split(' ').slice(1), project)
    assert.deepEqual(await use(project), USED)
  })
})
