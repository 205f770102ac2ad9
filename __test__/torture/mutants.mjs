// Whether the ordeals would notice: each mutant breaks a copy of the engine in one place, and its ordeal has to fail.
//
//   npm run torture:mutants [-- NAME,…]

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printTable } from '../../bench/table.mjs'
import { root } from '../../scripts/prepare.mjs'
import { MUTANTS, mutate } from './mutations.mjs'
import { place } from './places.mjs'
import { Scope } from './scope.mjs'

const PARTS = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'package-lock.json']
const FOLDERS = ['addon', 'src', 'lib', 'scripts', '__test__', 'bench']

/** How the ordeal ends in a copy with one thing changed: `{ status, stdout, stderr }`. */
function endure(directory, mutant, env) {
  const [ordeal, , file, , , step] = mutant
  const path = join(directory, file)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, mutate(text, mutant))
  try {
    const stdio = ['ignore', 'ignore', 'inherit']
    execFileSync(process.execPath, ['scripts/prepare.mjs'], { cwd: directory, env, stdio })
    const which = ['--only', ordeal, ...(step ? ['--step', step] : [])]
    const args = ['__test__/torture/torture.mjs', '--size', 'mutants', ...which]
    return spawnSync(process.execPath, args, { cwd: directory, env, encoding: 'utf8', maxBuffer: 1 << 26 })
  } finally {
    writeFileSync(path, text)
  }
}

const chosen = process.argv[2]?.split(',')
const rows = []
await Scope.during(async (scope) => {
  const { directory } = place(scope)
  for (const part of PARTS) cpSync(join(root, part), join(directory, part))
  for (const folder of FOLDERS) cpSync(join(root, folder), join(directory, folder), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const target = join(root, 'target', 'mutants')
  mkdirSync(target, { recursive: true })
  // Quicker to build, and just as wrong.
  const profile = { CARGO_PROFILE_ADDON_LTO: 'false', CARGO_PROFILE_ADDON_CODEGEN_UNITS: '16' }
  const env = { ...process.env, CARGO_TARGET_DIR: target, ...profile, RUSTFLAGS: '-A warnings' }
  for (const mutant of MUTANTS.filter(([ordeal]) => chosen?.includes(ordeal) ?? true)) {
    const { status, stdout, stderr } = endure(directory, mutant, env)
    const failure = /^FAILED (\d+) times.*\n {2}(.*)$/m.exec(stdout)
    const noticed = status === 1 && failure !== null
    if (!noticed) process.exitCode = 1
    const [who, broken] = mutant
    rows.push({ who, 'what is broken': broken, noticed: noticed ? failure[1] : 'NOT AT ALL' })
    console.log(`${who}: ${broken}: ${noticed ? failure[2] : `not noticed\n${stdout}${stderr}`}`)
  }
})
printTable('Broken engines, and how often each ordeal noticed', rows)
