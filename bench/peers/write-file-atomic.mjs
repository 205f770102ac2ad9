// No lock, but it writes files as wholes.

export { default as write } from 'write-file-atomic'
