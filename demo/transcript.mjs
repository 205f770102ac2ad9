// The transcript's format: JSON lines, each record naming the one before it as its parent.

import { open, readFile } from 'node:fs/promises'

/** More than the longest record has, so that the last one is read whole. */
const TAIL = 16 * 1024

/** The id of the last record, read as by a program that has no copy in memory. */
export async function lastId(path) {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL), 0, TAIL, Math.max(0, size - TAIL))
    return JSON.parse(buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').at(-1)).id
  } finally {
    await file.close()
  }
}

/** A user's message, as the session files of OpenClaw 2026.3.13 have it. */
export function message(id, parentId, text) {
  const now = Date.now()
  const message = { role: 'user', content: [{ type: 'text', text }], timestamp: now }
  return { type: 'message', id, parentId, timestamp: new Date(now).toISOString(), message }
}

/** What is in a transcript: its lines, its ids, and every line that does not parse or does not follow. */
export async function inspect(path) {
  const text = await readFile(path, 'utf8')
  const lines = text.split('\n')
  const torn = lines.pop() === '' ? [] : [`line ${lines.length + 1}, the last one, has no line break`]
  const unchained = []
  const ids = []
  for (const [index, line] of lines.entries()) {
    let record
    try {
      record = JSON.parse(line)
    } catch (error) {
      torn.push(`line ${index + 1} does not parse: ${error.message}`)
      continue
    }
    // The first line describes the session and has no parent.
    if (record.type === 'session') continue
    const parent = ids.at(-1) ?? null
    if (record.parentId !== parent) {
      unchained.push(`line ${index + 1} has the parent ${record.parentId}, but follows ${parent}`)
    }
    ids.push(record.id)
  }
  return { lines: lines.length, ids, torn, unchained }
}
