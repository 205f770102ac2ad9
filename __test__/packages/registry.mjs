// A minimal npm registry on this machine, with just what `npm publish` and `npm install` need. The real one is never
// asked for the packages that are tested here: anybody may have published something under their names.

import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { once } from 'node:events'

async function body(request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Starts one. `packages` has what was published, by name. */
export async function startRegistry() {
  const packages = new Map()
  const files = new Map()
  let url

  function publish({ name, versions, _attachments: attachments, 'dist-tags': tags }) {
    const known = packages.get(name) ?? { name, versions: {}, 'dist-tags': {} }
    const [[file, { data }]] = Object.entries(attachments)
    const [[version, manifest]] = Object.entries(versions)
    const tarball = Buffer.from(data, 'base64')
    files.set(`/-/${file}`, tarball)
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
    known.versions[version] = { ...manifest, dist: { tarball: `${url}/-/${file}`, integrity } }
    Object.assign(known['dist-tags'], tags)
    packages.set(name, known)
  }

  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, url).pathname)
    const found = files.get(path) ?? packages.get(path.slice(1))
    if (request.method === 'PUT') publish(JSON.parse(await body(request)))
    else if (request.method !== 'GET' || !found) response.statusCode = 404
    if (Buffer.isBuffer(found)) return response.end(found)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(found ?? {}))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  url = `http://127.0.0.1:${server.address().port}`
  return { url, packages, stop: () => server.close() }
}
