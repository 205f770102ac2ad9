// The engine's threads under a scheduler that tries thousands of orders (docs/model.md, "Threads"). Arguments go to
// the tests: `npm run test:shuttle -- hand_over`. LEASEHOLD_SCHEDULES says how many schedules each test gets.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './prepare.mjs'

const { status, error } = spawnSync(
  'cargo',
  ['test', '--locked', '--quiet', '--lib', 'shuttle_tests', '--', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} --cfg shuttle`.trim(),
      // Everything is another build, and the scheduler is to be quick.
      CARGO_TARGET_DIR: join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'shuttle'),
      CARGO_PROFILE_DEV_OPT_LEVEL: '1',
    },
  },
)
if (error) throw error
process.exit(status ?? 1)
