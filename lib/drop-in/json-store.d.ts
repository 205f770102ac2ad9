/**
 * The exports of OpenClaw's `src/plugin-sdk/json-store.ts`. See `leasehold` itself.
 *
 * @packageDocumentation
 */

export { loadJsonFile, readJsonFileWithFallback, saveJsonFile, writeJsonFileAtomically } from '../../index.js'
