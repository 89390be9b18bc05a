/** Whether one call ended as it may. */
import {answerOf, failureOf, type Committed} from './answers.ts';
import {generationIn, NOT_WRITTEN} from './generation.ts';
import type {Call, Disturbance, Journal} from './journal.ts';

/** What happens to calls that race each other. */
const RACES = ['NOT_FOUND', 'CONFLICT', 'BUSY'];

/** The code of a call that ended by a signal. */
const SIGNALLED = -1;

/** How a full disk is told of. */
const NO_SPACE = /no space left|ENOSPC/i;

const FATAL: readonly Disturbance[] = ['kill', 'kill-group', 'kill-container', 'interrupt', 'terminate'];

export function outcomeOf({
  code,
  disturbance,
  isFull,
}: Pick<Call, 'code' | 'disturbance' | 'isFull'>): Call['outcome'] {
  if (code === 0) return 'done';
  return FATAL.includes(disturbance) || isFull || code === SIGNALLED ? 'unknown' : 'failed';
}

export function judge(journal: Journal, call: Call): void {
  const {code, disturbance, isFull, intent, stdout, stderr} = call;
  const problem = (what: string): void => journal.problem(what, [call]);
  if (call.isHung) problem('hung');
  if (/^\s+at .*:\d+:\d+/m.test(stdout + stderr)) problem('a stack trace');
  if (code === 0) {
    if (intent.type === 'read' && generationIn(stdout) === undefined) problem('a torn read');
    if (intent.type === 'commit' && (answerOf(call) as Committed | undefined)?.version === undefined)
      problem('a commit that does not say which');
    return;
  }
  if (FATAL.includes(disturbance)) return;
  if (call.words[0] === 'doctor' && code === 1 && (answerOf(call) as {ok: boolean} | undefined)?.ok === false)
    return;
  const failure = failureOf(call);
  if (failure === undefined) {
    const isUnwritten = code === NOT_WRITTEN && isFull;
    // `session rm --force` kills it: it, or first what it runs.
    const isEnded = call.words[0] === 'exec' && (code === 125 || code === SIGNALLED);
    if (!isUnwritten && !isEnded) problem(`ended with ${code} and said no reason`);
  } else if (failure.code === 'FAILED' || failure.code === 'INCOMPLETE') {
    if (!isFull || !NO_SPACE.test(failure.message)) problem(`failed: ${failure.message}`);
  } else if (!(call.mayFail ?? RACES).includes(failure.code)) {
    problem(`${failure.code}: ${failure.message}`);
  }
}
