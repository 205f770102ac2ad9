import os from 'node:os'

/** Where the figures come from. */
export function machine() {
  const system = `${os.type()} ${os.release().split('.', 2).join('.')} ${os.arch()}`
  const cpus = os.cpus()
  return `${system}, ${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown'}, Node ${process.version}`
}
