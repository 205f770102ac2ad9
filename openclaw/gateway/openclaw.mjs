// A real OpenClaw in a home of its own: its gateway, and calls of its command line.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const leaky = fileURLToPath(new URL('leaky', import.meta.url))
/** OpenClaw takes seconds to start, and many of them on a busy machine. */
const START_MS = 300_000

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** The OpenClaw of the package in `directory`, run by `node`, with the model server at `providerUrl`. */
export async function openclawIn(directory, { node, providerUrl, compileCache }) {
  const home = mkdtempSync(join(tmpdir(), 'leasehold-gateway-'))
  const children = new Set()
  const end = () => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  }
  process.on('exit', end)
  mkdirSync(join(home, '.openclaw'))
  const config = configuration(home, providerUrl, await freePort())
  writeFileSync(join(home, '.openclaw', 'openclaw.json'), JSON.stringify(config, null, 2))
  const env = { PATH: process.env.PATH, HOME: home, NODE_COMPILE_CACHE: compileCache, ...ONLY_WHAT_IS_NEEDED }

  function run(args) {
    const child = spawn(node, [join(directory, 'openclaw.mjs'), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    children.add(child)
    const heard = { text: '' }
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (heard.text += text))
    }
    const ended = once(child, 'close').then(([code]) => {
      children.delete(child)
      return { code, output: heard.text }
    })
    /** Resolves once `words` have appeared in the output. */
    const hear = (words) => {
      return new Promise((resolve, reject) => {
        const look = () => heard.text.includes(words) && resolve()
        const fail = (why) => reject(new Error(`openclaw ${args[0]} ${why}; it said:\n${heard.text}`))
        child.stdout.on('data', look)
        child.stderr.on('data', look)
        void ended.then(({ code }) => fail(`ended (${code}) before it said "${words}"`))
        setTimeout(() => fail(`did not say "${words}"`), START_MS).unref()
        look()
      })
    }
    return { pid: child.pid, ended, hear, heard }
  }

  const sessions = join(home, '.openclaw', 'agents', 'main', 'sessions')
  return {
    lockPath: (session) => join(sessions, `${session}.jsonl.lock`),
    startGateway: async () => {
      const gateway = run(['gateway'])
      await gateway.hear('listening on')
      return gateway
    },
    /** `openclaw agent` with a message for a session. */
    agent: (session, message, ...flags) => run(['agent', '--session-id', session, '--message', message, ...flags]),
    end: async () => {
      const endings = [...children].map((child) => once(child, 'close'))
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(endings)
      process.off('exit', end)
      end()
    },
  }
}

function configuration(home, baseUrl, port) {
  const models = [{ id: 'fake', name: 'fake', contextWindow: 100_000, maxTokens: 1000 }]
  return {
    gateway: { mode: 'local', bind: 'loopback', port, auth: { mode: 'token', token: 'of-no-importance' } },
    models: { providers: { fake: { baseUrl, apiKey: 'none', api: 'openai-completions', models } } },
    agents: { defaults: { model: { primary: 'fake/fake' }, skipBootstrap: true, workspace: join(home, 'workspace') } },
    plugins: {
      allow: ['leaky'],
      entries: { leaky: { enabled: true } },
      load: { paths: [leaky] },
      slots: { memory: 'none' },
    },
    logging: { file: join(home, 'openclaw.log') },
    update: { checkOnStart: false },
    browser: { enabled: false },
    discovery: { mdns: { mode: 'off' } },
  }
}

/** What else a gateway starts takes time, and has nothing to do with locks. */
const ONLY_WHAT_IS_NEEDED = {
  OPENCLAW_DISABLE_BONJOUR: '1',
  OPENCLAW_NO_RESPAWN: '1',
  OPENCLAW_SKIP_BROWSER_CONTROL_SERVER: '1',
  OPENCLAW_SKIP_CANVAS_HOST: '1',
  OPENCLAW_SKIP_CHANNELS: '1',
  OPENCLAW_SKIP_CRON: '1',
  OPENCLAW_SKIP_GMAIL_WATCHER: '1',
}
