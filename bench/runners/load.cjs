// Prints how many milliseconds it takes until a package can be used, with nothing else loaded before.
// Arguments: its name, and where leasehold is installed.

const { createRequire } = require('node:module')

const peer = createRequire(require.resolve('../peers/package.json'))
const [who, installed] = process.argv.slice(2)
const LOADS = {
  nobody: () => {},
  leasehold: () => require(installed),
  // It can only be imported.
  'fs-safe': () => import('../peers/fs-safe.mjs'),
}
const load = LOADS[who] ?? (() => peer(who))
const began = process.hrtime.bigint()
const loaded = load()
const tell = () => console.log(Number(process.hrtime.bigint() - began) / 1e6)
if (loaded instanceof Promise) loaded.then(tell)
else tell()
