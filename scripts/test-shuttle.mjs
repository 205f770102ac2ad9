// The engine's threads under a scheduler that tries thousands of orders (docs/model.md, "Threads"). Arguments go to
// the tests: `npm run test:shuttle -- hand_over`. LEASEHOLD_SCHEDULES says how many schedules each test gets.

import { join } from 'node:path'
import { must, target } from './prepare.mjs'

must('cargo', ['test', '--locked', '--quiet', '--lib', 'shuttle_tests', '--', ...process.argv.slice(2)], {
  env: {
    ...process.env,
    RUSTFLAGS: `${process.env.RUSTFLAGS ?? ''} --cfg shuttle`.trim(),
    // All of it is a separate build, and the scheduler has to be quick.
    CARGO_TARGET_DIR: join(target, 'shuttle'),
    CARGO_PROFILE_DEV_OPT_LEVEL: '1',
  },
})
