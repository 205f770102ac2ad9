// What the scripts build is what they install, whatever cargo is told elsewhere, and wherever the clone is.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { npm } from '../scripts/prepare.mjs'
import { scratch } from './support/index.mjs'
import { onWine } from './support/platform.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const prepare = new URL('../scripts/prepare.mjs', import.meta.url).href

const skip = spawnSync('cargo', ['--version']).error ? 'cargo was not found' : false
describe('cargo builds where the addon is taken from', { skip }, () => {
  // Asked rather than made to build, which takes minutes.
  const PROGRAM = `
    import { execFileSync } from 'node:child_process'
    import { root, target } from '${prepare}'
    const args = ['metadata', '--no-deps', '--format-version=1', '--offline']
    const metadata = JSON.parse(execFileSync('cargo', args, { cwd: root, encoding: 'utf8' }))
    console.log(JSON.stringify([target, metadata.target_directory]))`

  function folders(t, settings) {
    const { CARGO_TARGET_DIR, ...inherited } = process.env
    const args = ['--input-type=module', '--eval', PROGRAM]
    const options = { cwd: scratch(t), env: { ...inherited, ...settings }, encoding: 'utf8' }
    return JSON.parse(execFileSync(process.execPath, args, options))
  }

  test('that is target/, even if its settings name another folder', (t) => {
    const target = join(root, 'target')
    assert.deepEqual(folders(t, {}), [target, target])
    assert.deepEqual(folders(t, { CARGO_BUILD_TARGET_DIR: scratch(t) }), [target, target])
  })

  test('or the folder that CARGO_TARGET_DIR names, wherever the script is started', (t) => {
    const target = scratch(t)
    assert.deepEqual(folders(t, { CARGO_TARGET_DIR: target }), [target, target])
    const relative = join(root, 'target', 'relative')
    assert.deepEqual(folders(t, { CARGO_TARGET_DIR: 'target/relative' }), [relative, relative])
  })
})

const noNpm = onWine && 'npm is not installed under wine'
test('npm takes a path with a space', { skip: noNpm }, (t) => {
  const directory = join(scratch(t), 'a folder')
  mkdirSync(directory)
  assert.equal(execFileSync(...npm('prefix', '--prefix', directory), { encoding: 'utf8' }).trim(), directory)
})
