// No lock, but it replaces files as a whole.

export { default as write } from 'write-file-atomic'
