// Where the file system or the kernel lacks what is tried first, the next best way is taken, and locks still exclude.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { child, scratch, sleep, until } from './support/index.mjs'
import { contenders } from './support/contenders.mjs'
import { notAsGlibc } from './support/platform.mjs'
import { deadPid } from './support/processes.mjs'
import { tamper, whyNoTampering } from './support/tamper.mjs'
import { watcher } from './support/watcher.mjs'

const skip = await whyNoTampering()
const TURNS = 15

/** `[what is missing, what strace makes fail, { whether private names are seen, and files filled in place }]` */
const lacks = [
  ['unnamed files get no name', ['linkat:error=EOPNOTSUPP'], { privateName: true }],
  ['/proc is not there to name unnamed files', ['linkat:error=ENOENT'], { privateName: true }],
  [
    'a rename cannot refuse to replace',
    ['linkat:error=EOPNOTSUPP:when=1+2', 'renameat2:error=EINVAL'],
    { privateName: true },
  ],
  [
    'hard links are refused, too',
    ['linkat:error=EPERM', 'renameat2:error=EINVAL'],
    { privateName: true, inPlace: true },
  ],
  ['there is no flock', ['flock:error=ENOLCK']],
  ['flock is not even a system call', ['flock:error=ENOSYS']],
  ['there are no byte locks', ['fcntl:error=ENOLCK']],
  ['there are neither', ['flock:error=ENOLCK', 'fcntl:error=ENOLCK']],
  ['there is no inotify instance to spare', ['inotify_init1:error=EMFILE']],
  ['there is no inotify watch to spare', ['inotify_add_watch:error=ENOSPC']],
]

/** Counts in the file `path`, `turns` times; then takes the lock again, and holds it until killed if told so. */
async function count({ leasehold, send, next, begin, args: { path, turns } }) {
  const { closeSync, openSync, readFileSync, unlinkSync, writeFileSync } = await import('node:fs')
  await begin()
  try {
    for (let turn = 0; turn < turns; turn += 1) {
      const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000, leaseMs: 60_000 })
      closeSync(openSync(`${path}.marker`, 'wx'))
      const before = Number(readFileSync(path, 'utf8'))
      await new Promise((resolve) => setTimeout(resolve, 1))
      writeFileSync(path, String(before + 1))
      unlinkSync(`${path}.marker`)
      await lock.release()
    }
    send({ done: true })
    const { hold } = await next('hold')
    const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000, leaseMs: 60_000 })
    send({ recoveredFrom: lock.recoveredFrom ?? null })
    if (hold) await new Promise((resolve) => setTimeout(resolve, 3_600_000))
    await lock.release()
    send({ released: true })
  } catch (error) {
    send({ error: error.stack })
  }
}

describe('without what Linux offers', { skip, concurrency: 2 }, () => {
  for (const [name, rules, { privateName, inPlace } = {}] of lacks) {
    test(`${name}: two processes take turns, and a killed one is recovered`, async (t) => {
      const directory = scratch(t)
      const path = join(directory, 'file')
      writeFileSync(path, '0')
      const two = [1, 2].map(() => child(t, count, { args: { path, turns: TURNS } }))
      await Promise.all(two.map((one) => one.next('ready')))
      const tampered = await Promise.all(two.map((one) => tamper(t, one.pid, rules)))
      // A process that is slow to name its file looks once more whether the name is still its own, under the guard.
      const guard = rules.some((rule) => rule.startsWith('fcntl')) ? '(\\.taking)?' : ''
      const allowed = `^file(\\.(marker|lock${guard}${privateName ? '(\\..+\\.tmp)?' : ''}))?$`
      const watching = await watcher(t, path, { allowed })
      for (const one of two) one.send({ start: true })
      const answer = (one) => one.next((message) => message.done || message.error)
      for (const { error } of await Promise.all(two.map(answer))) assert.equal(error, undefined)
      assert.equal(Number(readFileSync(path, 'utf8')), 2 * TURNS)
      const { seen, wrong } = await watching.stop()
      assert.ok(seen > 0)
      // The last resort creates the name first and fills it at once.
      const isEmptyFile = (problem) => problem === 'not JSON: ""' || problem.startsWith('stale ()')
      assert.deepEqual(wrong.filter((problem) => !(inPlace && isEmptyFile(problem))), [])
      assert.deepEqual(readdirSync(directory), ['file'], 'no private name stays')

      const [first, second] = two
      first.send({ hold: true })
      await first.next('recoveredFrom')
      second.send({ hold: false }) // so it waits
      const calls = rules.map((rule) => rule.split(':')[0])
      await until(() => calls.every((call) => tampered.some(({ hits }) => hits().includes(call)))) // they really failed
      first.kill()
      assert.equal((await second.next('recoveredFrom')).recoveredFrom, 'owner-died')
      await second.next('released')
      assert.ok(!existsSync(`${path}.lock`))
    })
  }

  test('a file system without unnamed files is served by private names', { skip: notAsGlibc }, async (t) => {
    for (const error of ['EOPNOTSUPP', 'EISDIR', 'EINVAL']) {
      const path = join(scratch(t), 'new', 'file')
      const one = child(
        t,
        async ({ leasehold, send, begin, args: { path } }) => {
          const { openSync, readdirSync } = await import('node:fs')
          const { dirname } = await import('node:path')
          await begin()
          try {
            openSync('/dev/null') // the first file of this thread is not the one that matters
          } catch {}
          const lock = await leasehold.acquireFileLock(path)
          const held = readdirSync(dirname(path))
          await lock.release()
          send({ held, released: readdirSync(dirname(path)) })
        },
        { args: { path } },
      )
      await one.next('ready')
      // A directory seen for the first time is served by a thread of its own, whose first file this is.
      const { hits } = await tamper(t, one.pid, [`openat:error=${error}:when=1`, 'renameat2:delay_enter=1'])
      one.send({ start: true })
      const { held, released } = await one.next('held')
      assert.deepEqual([held, released], [['file.lock'], []])
      assert.deepEqual(hits().sort(), ['openat', 'renameat2'], 'a private name was renamed')
    }
  })

  test('whoever loses the name while it replaces a stale file looks again', async (t) => {
    const path = join(scratch(t), 'file')
    // Too long for a record to be written over it.
    writeFileSync(`${path}.lock`, ' '.repeat(20_000))
    utimesSync(`${path}.lock`, 0, 0)
    const one = child(
      t,
      async ({ leasehold, send, begin, args: { path } }) => {
        await begin()
        try {
          const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
          send({ recoveredFrom: lock.recoveredFrom })
          await lock.release()
        } catch (error) {
          send({ error: error.stack })
        }
      },
      { args: { path } },
    )
    await one.next('ready')
    // As on FAT, where a file that is open is moved aside first.
    const { hits } = await tamper(t, one.pid, ['?rename,?renameat,?renameat2:error=EEXIST:when=1'])
    one.send({ start: true })
    assert.deepEqual(await one.next(), { recoveredFrom: 'missing-pid' })
    assert.equal(hits().length, 1)
    assert.equal((await one.exit).code, 0)
    assert.deepEqual(readdirSync(dirname(path)), [])
  })

  test('a process that is slow to lock its private name does not lose it to another one', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    const [slow, quick] = [1, 2].map(() =>
      child(
        t,
        async ({ leasehold, send, begin, args: { path } }) => {
          await begin()
          try {
            await (await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })).release()
            send({ done: true })
          } catch (error) {
            send({ error: error.stack })
          }
        },
        { args: { path } },
      ),
    )
    await Promise.all([slow.next('ready'), quick.next('ready')])
    await tamper(t, slow.pid, ['linkat:error=EOPNOTSUPP', 'flock:delay_enter=500ms'])
    await tamper(t, quick.pid, ['linkat:error=EOPNOTSUPP'])
    slow.send({ start: true })
    await until(() => readdirSync(directory).some((name) => name.endsWith('.tmp')))
    quick.send({ start: true })
    const answer = (one) => one.next((message) => message.done || message.error)
    assert.equal((await answer(quick)).error, undefined)
    assert.equal((await answer(slow)).error, undefined)
    assert.deepEqual(readdirSync(directory), [])
  })

  test('a private name that a killed process left behind is removed by the next one', async (t) => {
    const directory = scratch(t)
    const path = join(directory, 'file')
    const once = async ({ leasehold, send, begin, args: { path } }) => {
      await begin()
      await (await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })).release()
      send({ done: true })
    }
    const killed = child(t, once, { args: { path } })
    await killed.next('ready')
    await tamper(t, killed.pid, ['linkat:error=EOPNOTSUPP', 'renameat2:signal=SIGKILL'])
    killed.send({ start: true })
    assert.equal((await killed.exit).signal, 'SIGKILL')
    assert.match(readdirSync(directory).join(), /^file\.lock\..+\.tmp$/)
    const next = child(t, once, { args: { path } })
    await next.next('ready')
    await tamper(t, next.pid, ['linkat:error=EOPNOTSUPP'])
    next.send({ start: true })
    await next.next('done')
    assert.deepEqual(readdirSync(directory), [])
  })

  for (const [name, slowly, rules] of [
    ['nothing', ['fcntl:delay_enter=400ms'], []],
    ['flock', ['fcntl:delay_enter=400ms', 'flock:error=ENOLCK'], ['flock:error=ENOLCK']],
    ['byte locks', ['fcntl:error=ENOLCK:delay_enter=400ms'], ['fcntl:error=ENOLCK']],
    [
      'both',
      ['fcntl:error=ENOLCK:delay_enter=400ms', 'flock:error=ENOLCK'],
      ['fcntl:error=ENOLCK', 'flock:error=ENOLCK'],
    ],
  ]) {
    test(`without ${name}, one that is slow to take a stale lock does not rob a quicker one`, async (t) => {
      const path = join(scratch(t), 'file')
      writeFileSync(`${path}.lock`, JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }))
      const [slow, quick] = [1, 2].map(() =>
        child(
          t,
          async ({ leasehold, send, begin, args: { path } }) => {
            const { closeSync, openSync, unlinkSync } = await import('node:fs')
            await begin()
            send({ started: true })
            const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
            try {
              closeSync(openSync(`${path}.marker`, 'wx'))
              await new Promise((resolve) => setTimeout(resolve, 1000))
              unlinkSync(`${path}.marker`)
              await lock.release()
              send({ alone: true })
            } catch (error) {
              send({ alone: false, error: error.message })
            }
          },
          { args: { path } },
        ),
      )
      await Promise.all([slow.next('ready'), quick.next('ready')])
      await tamper(t, slow.pid, slowly)
      if (rules.length > 0) await tamper(t, quick.pid, rules)
      slow.send({ start: true })
      await slow.next('started')
      await sleep(150)
      quick.send({ start: true })
      assert.deepEqual(await Promise.all([slow.next('alone'), quick.next('alone')]), [{ alone: true }, { alone: true }])
    })
  }

  test('without flock, a release meets one that is about to find out that it came too late', async (t) => {
    const path = join(scratch(t), 'file')
    writeFileSync(`${path}.lock`, JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }))
    const [slow, quick] = [1, 2].map(() =>
      child(
        t,
        async ({ leasehold, send, next, begin, args: { path } }) => {
          await begin()
          send({ started: true })
          const lock = await leasehold.acquireFileLock(path, { timeoutMs: 60_000 })
          const asked = next('release')
          send({ recoveredFrom: lock.recoveredFrom ?? null })
          await asked
          await lock.release().then(() => send({ released: true }), (error) => send({ released: error.message }))
        },
        { args: { path } },
      ),
    )
    await Promise.all([slow.next('ready'), quick.next('ready')])
    // It reads twice: to judge, and once more while it holds the guard, which releases need.
    await tamper(t, slow.pid, ['flock:error=ENOLCK', 'pread64:delay_exit=1s'])
    await tamper(t, quick.pid, ['flock:error=ENOLCK'])
    slow.send({ start: true })
    await slow.next('started')
    await sleep(300)
    quick.send({ start: true })
    assert.deepEqual(await quick.next('recoveredFrom'), { recoveredFrom: 'dead-pid' })
    await sleep(1100)
    quick.send({ release: true })
    assert.deepEqual(await quick.next('released'), { released: true })
    slow.send({ release: true })
    assert.deepEqual(await slow.next('released'), { released: true })
    assert.deepEqual(await slow.next('recoveredFrom'), { recoveredFrom: null })
  })

  for (const [name, rules] of [
    ['flock', ['flock:error=ENOLCK']],
    ['byte locks', ['fcntl:error=ENOLCK']],
    ['both', ['flock:error=ENOLCK', 'fcntl:error=ENOLCK']],
  ]) {
    test(`without ${name}, six processes that meet a stale lock are never inside together`, async (t) => {
      const directory = scratch(t)
      const six = await contenders(t, directory, 6)
      await Promise.all(six.all.map((one) => tamper(t, one.pid, rules)))
      for (let round = 0; round < 12; round += 1) {
        const path = join(directory, `${round}`)
        writeFileSync(`${path}.lock`, JSON.stringify({ pid: deadPid(), createdAt: new Date().toISOString() }))
        const { answers, log } = await six.meet(path)
        assert.deepEqual(answers.filter(({ error, intruded }) => error ?? intruded), [], `round ${round}`)
        assert.equal(log.length, 12)
        for (let turn = 0; turn < 12; turn += 2) assert.deepEqual(log[turn + 1], { out: log[turn].in })
      }
    })
  }
})
