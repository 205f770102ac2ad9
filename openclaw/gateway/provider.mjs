// A stand-in for a model server: whatever it is asked, it answers "pong".

import { createServer } from 'node:http'
import { once } from 'node:events'

/** Starts one on a free port of the loopback device: `{ url, close }`. */
export async function startProvider() {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(request.url, response))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${server.address().port}/v1`, close }
}

function answer(url, response) {
  if (!url.endsWith('/chat/completions')) return response.writeHead(404).end()
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const say = (delta, finish_reason = null) => {
    const choices = [{ index: 0, delta, finish_reason }]
    const chunk = { id: 'chat-1', object: 'chat.completion.chunk', created: 0, model: 'fake', choices }
    response.write(`data: ${JSON.stringify(chunk)}\n\n`)
  }
  say({ role: 'assistant', content: 'pong' })
  say({}, 'stop')
  response.end('data: [DONE]\n\n')
}
