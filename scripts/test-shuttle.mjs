// The engine's threads under a scheduler that tries thousands of orders (docs/model.md, "Threads"). Arguments say which
// tests: `npm run test:shuttle -- hand_over`. LEASEHOLD_SCHEDULES says how many schedules each test gets.

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { must, target } from './prepare.mjs'

const env = {
  ...process.env,
  RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} --cfg shuttle`.trim(),
  // All of it is a separate build, and the scheduler has to be quick.
  CARGO_TARGET_DIR: join(target, 'shuttle'),
  CARGO_PROFILE_DEV_OPT_LEVEL: '1',
}
const run = ['test', '--locked', '--quiet', '--lib', '--']
const ALL = 'shuttle_tests'

/** The full names of those tests that have one of `parts` in theirs: the other tests cannot be run in this build. */
function matching(parts) {
  const list = execFileSync('cargo', [...run, ALL, '--list'], { env, encoding: 'utf8' })
  const names = Array.from(list.matchAll(/^(.*): test$/gm), ([, name]) => name)
  const matches = names.filter((name) => parts.some((part) => name.includes(part)))
  if (matches.length === 0) throw new Error(`no test matches: the tests are ${names.join(', ')}`)
  return ['--exact', ...matches]
}

const chosen = process.argv.slice(2)
must('cargo', [...run, ...(chosen.length > 0 ? matching(chosen) : [ALL])], { env })
