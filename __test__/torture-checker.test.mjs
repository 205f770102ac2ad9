// The history checker finds what is wrong with a history, and nothing wrong with a good one. And the engines that are
// broken on purpose, to see whether the torture notices, can still be made.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { check } from './torture/checker.mjs'
import { MUTANTS, mutate } from './torture/mutations.mjs'

/** A history from lines like `1 a#0 want`: one path, and a token, if any, as the fourth word. */
function history(text) {
  return text.trim().split('\n').map((line) => {
    const [t, id, what, token] = line.trim().split(' ')
    const who = id.split('#')[0]
    return { t: Number(t) * 1e6, who, what, ...(id.includes('#') && { id, path: 'file' }), token, lease: 100 }
  })
}

const ORDERLY = `
  1 a#0 want
  2 a#0 acquire 10
  3 b#0 want
  4 a#0 guarded
  5 a#0 release
  6 b#0 acquire 11
  7 b#0 release`

for (const [name, text, options] of [
  ['holders that follow each other', ORDERLY],
  [
    'a holder that is killed, and its successor',
    '1 a#0 want\n2 a#0 acquire 1\n3 a kill\n4 b#0 want\n5 b#0 acquire 2\n6 b#0 release',
  ],
  ['a waiter that is killed', '1 a#0 want\n2 a kill'],
  [
    'a holder that was frozen for its lease, and told before it was sure again',
    `1 a#0 want\n2 a#0 acquire 1\n3 a#0 guarded\n4 a freeze\n5 b#0 want\n300 b#0 acquire 2
     400 a thaw\n401 a#0 lost\n402 a#0 release\n403 b#0 release`,
  ],
  [
    'one that lost its lock before it could say that it had it',
    `1 a#0 want\n2 a freeze\n300 b#0 want\n301 b#0 acquire 2
     400 a thaw\n401 a#0 acquire 1\n402 a#0 lost\n403 b#0 release`,
  ],
  ['a timeout, where they are allowed', '1 a#0 want\n2 a#0 timeout', { timeouts: true }],
  ['smaller tokens, where they are allowed', ORDERLY.replace('acquire 11', 'acquire 9'), { tokens: false }],
]) {
  test(`it finds nothing wrong with ${name}`, () => {
    assert.deepEqual(check(history(text), options).problems, [])
  })
}

for (const [name, text, problem] of [
  ['two holders', ORDERLY.replace('6 b#0', '4.5 b#0'), /overlap/],
  [
    'two holders of which one is killed',
    '1 a#0 want\n2 a#0 acquire 1\n3 b#0 want\n4 b#0 acquire 2\n5 a#0 guarded\n6 a kill',
    /overlap/,
  ],
  ['a token that does not grow', ORDERLY.replace('acquire 11', 'acquire 10'), /does not exceed/],
  ['a token that falls behind a lost one', `1 a#0 want\n2 a#0 acquire 9\n3 a freeze\n300 a thaw\n301 a#0 lost
     302 b#0 want\n303 b#0 acquire 8\n304 b#0 release`, /does not exceed/],
  ['a waiter that is never answered', `${ORDERLY}\n8 c#0 want`, /waits for ever/],
  ['a timeout', `${ORDERLY}\n8 c#0 want\n9 c#0 timeout`, /timed out/],
  ['an error', `${ORDERLY}\n8 c#0 want\n9 c#0 error`, /failed/],
  ['a loss without a reason', `${ORDERLY}\n8 c#0 want\n9 c#0 acquire 12\n10 c#0 lost`, /never stood still/],
  [
    'a loss after too short a freeze',
    '1 a#0 want\n2 a#0 acquire 1\n3 a freeze\n50 a thaw\n51 a#0 lost',
    /never stood still/,
  ],
  [
    'a loser that was told it still had the lock',
    `1 a#0 want\n2 a#0 acquire 1\n4 a freeze\n5 b#0 want\n300 b#0 acquire 2\n400 a thaw\n401 a#0 guarded
     402 a#0 lost\n403 b#0 release`,
    /was told that it had the lock/,
  ],
  ['an answer without a question', '1 a#0 acquire 1', /no "want" event/],
  ['two answers', `${ORDERLY}\n8 b#0 acquire 12`, /two outcomes/],
]) {
  test(`it finds ${name}`, () => {
    const { problems } = check(history(text))
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.match(problems[0], problem)
  })
}

test('every engine that is broken on purpose differs from ours in one place', () => {
  for (const mutant of MUTANTS) {
    const text = readFileSync(new URL(`../${mutant[2]}`, import.meta.url), 'utf8')
    assert.notEqual(mutate(text, mutant), text, mutant[1])
  }
})
