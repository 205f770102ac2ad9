// Whether the ordeals would notice: each breaks the engine in a copy, at one place, and has to end the ordeal badly.
//
//   npm run torture:mutants [-- NAME,…]

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printTable } from '../../bench/table.mjs'
import { root } from '../../scripts/prepare.mjs'
import { place } from './places.mjs'
import { Scope } from './scope.mjs'

/** `[the ordeal, what is broken, where, what stands there, what stands there instead, the step if it is one]` */
const MUTANTS = [
  [
    'storm',
    'the kernel lock is not asked for',
    'src/lock/sys/unix.rs',
    'Err(fs4::TryLockError::WouldBlock) => Ok(OsLock::Busy),',
    'Err(fs4::TryLockError::WouldBlock) => Ok(OsLock::Acquired),',
  ],
  [
    'storm',
    'the open file is not compared with the path',
    'src/lock/contender.rs',
    'Ok(meta) if meta.id == seen.id => meta,',
    'Ok(meta) if meta.len > 0 => meta,',
  ],
  [
    'kills',
    'nobody sweeps what the dead have left',
    'src/lock/draft.rs',
    'if lives && !is_old(&entry.path()) {',
    'if lives || !is_old(&entry.path()) {',
  ],
  [
    'kills',
    'a dead holder is waited for like a frozen one',
    'src/lock/verdict.rs',
    'let lock_proves_death = seen.os_lock == OsLock::Acquired && record.leasehold.os_lock;',
    'let lock_proves_death = false; if seen.os_lock == OsLock::Acquired { return until_expired; }',
    'take over from a killed holder',
  ],
  [
    'failures',
    'a refused write of a JSON file counts as done',
    'src/json_store.rs',
    'file.write_all(self.bytes).map_err(StoreError::io("write", path))?;',
    'let _ = file.write_all(self.bytes);',
    'replace a JSON file',
  ],
  [
    'namespaces',
    'a pid is believed across namespaces',
    'src/lock/verdict.rs',
    'if seen.os_lock == OsLock::Busy {\n',
    'if owner_is_gone(record.pid, record.starttime, &life).is_some() { return Verdict::Adopt(Cause::OwnerDied); }\n' +
      '    if seen.os_lock == OsLock::Busy {\n',
  ],
  [
    'freezes',
    'a holder does not look whether the file is its own',
    'src/lock/sidecar.rs',
    'return Ok((if same_file { Standing::Ours } else { Standing::Replaced }, Some(by_path)));',
    'return Ok((if same_file { Standing::Ours } else { Standing::Ours }, Some(by_path)));',
  ],
  [
    'clocks',
    'tokens come from the clock alone',
    'src/lock/contender/taking.rs',
    'Cause::Released => clock_token(SystemTime::now()).max(seen.contents.token() + 1),',
    'Cause::Released => clock_token(SystemTime::now()),',
  ],
  [
    'clocks',
    'a lease expires by the dates of the file',
    'src/lock/verdict.rs',
    'let expired = seen.unmoved >= record.expiry();',
    'let expired = age(seen.now, seen.modified) >= record.expiry();',
  ],
  [
    'loops',
    'nobody beats',
    'src/lock/lease.rs',
    'State::Held(sidecar) if watchdog.beats(now) || sidecar.has_unwritten_date() => sidecar.beat(),',
    'State::Held(sidecar) if watchdog.beats(now) && sidecar.has_unwritten_date() => sidecar.beat(),',
  ],
  [
    'filesystems',
    'a linked file is believed to have its lock',
    'src/lock/draft.rs',
    'self.record.leasehold.os_lock = false;',
    '',
  ],
]

const PARTS = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'package.json', 'package-lock.json']
const FOLDERS = ['addon', 'src', 'lib', 'scripts', '__test__', 'bench']

/** How the ordeal ends in a copy with one thing changed: `{ status, said }`. */
function endure(directory, [ordeal, , file, before, after, step], env) {
  const path = join(directory, file)
  const text = readFileSync(path, 'utf8')
  if (text.split(before).length !== 2) throw new Error(`${file} does not say once: ${before}`)
  writeFileSync(path, text.replace(before, after))
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
  // Quicker to build, and as wrong.
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
