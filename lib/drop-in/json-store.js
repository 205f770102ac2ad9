'use strict'
// `leasehold/json-store`: the names of OpenClaw's src/plugin-sdk/json-store.ts.

const { loadJsonFile, readJsonFileWithFallback, saveJsonFile, writeJsonFileAtomically } = require('../../index.js')

module.exports = { loadJsonFile, readJsonFileWithFallback, saveJsonFile, writeJsonFileAtomically }
