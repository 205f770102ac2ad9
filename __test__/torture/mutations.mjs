// Ways to break the engine that the ordeals have to notice.

/**
 * Engines broken in one place, as
 * `[the ordeal, what is broken, the file, what it says there, what to say instead, the step if it is one]`.
 */
export const MUTANTS = [
  [
    'storm',
    'a busy kernel lock counts as free',
    'src/lock/sys/advisory.rs',
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
    'leftovers of dead processes are not swept',
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
    'a pid is trusted across namespaces',
    'src/lock/verdict.rs',
    'if seen.os_lock == OsLock::Busy {\n',
    'if owner_is_gone(record.pid, record.starttime, &life).is_some() { return Verdict::Adopt(Cause::OwnerDied); }\n' +
      '    if seen.os_lock == OsLock::Busy {\n',
  ],
  [
    'freezes',
    'a holder does not check whether the file is its own',
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
    'the heart does not beat',
    'src/lock/lease.rs',
    'term.next_beat(sidecar.beaten(), crowd) <= now => (sidecar.beat(&self.claim), now),',
    'term.next_beat(sidecar.beaten(), crowd) <= now && false => (sidecar.beat(&self.claim), now),',
  ],
  [
    'filesystems',
    'a linked file is assumed to have its lock',
    'src/lock/draft.rs',
    'self.record.os_lock = false;',
    '',
  ],
]

/** Breaks `text`, the contents of the mutant's file. */
export function mutate(text, [, , file, before, after]) {
  if (text.split(before).length !== 2) throw new Error(`${file} does not say once: ${before}`)
  return text.replace(before, after)
}
