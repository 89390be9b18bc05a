/** What a torture came to, in numbers. */
import {failureOf} from './answers.ts';
import type {Call} from './journal.ts';

export interface Figures {
  commands: number;
  'in containers': number;
  byKind: Record<string, number>;
  'containers killed': number;
  killed: number;
  interrupted: number;
  paused: number;
  'disk filled': number;
  'failed on a full disk': number;
  conflicts: number;
  'refused as busy': number;
  commits: number;
  'reads checked': number;
  'looks into versions': number;
  'versions looked into': number;
  'sessions checked': number;
  'named by doctor': number;
  problems: number;
}

export function figuresOf(
  calls: readonly Call[],
  rest: Pick<
    Figures,
    | 'containers killed'
    | 'disk filled'
    | 'looks into versions'
    | 'versions looked into'
    | 'sessions checked'
    | 'named by doctor'
    | 'problems'
  >,
): Figures {
  const count = (test: (call: Call) => boolean): number => calls.filter(test).length;
  const byKind = [...Map.groupBy(calls, ({kind}) => kind)].map(
    ([kind, some]) => [kind, some.length] as const,
  );
  return {
    commands: calls.length,
    'in containers': count(({isElsewhere}) => isElsewhere),
    byKind: Object.fromEntries(byKind),
    killed: count(({disturbance}) => disturbance.startsWith('kill')),
    interrupted: count(({disturbance}) => disturbance === 'interrupt' || disturbance === 'terminate'),
    paused: count(({disturbance}) => disturbance === 'pause'),
    'failed on a full disk': count((call) => call.isFull && failureOf(call)?.code === 'FAILED'),
    conflicts: count((call) => failureOf(call)?.code === 'CONFLICT'),
    'refused as busy': count((call) => failureOf(call)?.code === 'BUSY'),
    commits: count(({intent, outcome}) => intent.type === 'commit' && outcome === 'done'),
    'reads checked': count(({intent, outcome}) => intent.type === 'read' && outcome === 'done'),
    ...rest,
  };
}
