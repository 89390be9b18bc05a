/** Whether the sessions that nobody ended are still there, with what was written in them last. */
import type {Cli} from '../cli/chrootctl.ts';
import {generationIn, READ_COMMAND} from './generation.ts';
import type {Call, Journal} from './journal.ts';

export async function checkKeptSessions(cli: Cli, journal: Journal): Promise<number> {
  const sessions = await cli.json<{id: string; state: string}[]>('ps');
  const ids = new Set(sessions.map(({id}) => id));
  let checked = 0;
  for (const call of lastBegun(journal)) {
    const {session} = call.intent;
    if (endings(journal, session).some(({outcome, ended}) => outcome !== 'failed' && ended >= call.began))
      continue;
    checked++;
    if (!ids.has(session)) {
      journal.problem(`session ${session} is lost`, [call, ...endings(journal, session)]);
      continue;
    }
    const read = await cli.call(['exec', session, '--', ...READ_COMMAND]);
    const written = lastWritten(journal, call);
    const found = generationIn(read.stdout);
    if (read.code !== 0) journal.problem(`session ${session} cannot be used: ${read.stderr}`, [call]);
    else if (written !== undefined && found !== written)
      journal.problem(`session ${session} has ${read.stdout} instead of ${written}`, [
        call,
        ...writes(journal, session),
      ]);
  }
  return checked;
}

type Begin = ReturnType<typeof begins>[number];

function begins(journal: Journal): (Call & {intent: {session: string; name: string | null}})[] {
  return journal.meant('begin').filter(({outcome}) => outcome === 'done');
}

/** Of each name the last. */
function lastBegun(journal: Journal): Begin[] {
  return [...new Map(begins(journal).map((call) => [call.intent.session, call])).values()];
}

/** Calls that may have ended a session. */
function endings(journal: Journal, session: string): Call[] {
  return journal.calls.filter(
    ({intent, kind}) =>
      'session' in intent &&
      intent.session === session &&
      (intent.type === 'end' || kind === 'session end --commit'),
  );
}

function writes(journal: Journal, session: string): (Call & {intent: {generation: string}})[] {
  return journal.meant('write').filter(({intent}) => intent.session === session);
}

/** Undefined where it cannot be known: writers were killed, or there were several at a time. */
function lastWritten(journal: Journal, begun: Begin): string | undefined {
  const later = writes(journal, begun.intent.session).filter(({ended}) => ended >= begun.began);
  let last = begun.intent.name ?? undefined;
  let time = begun.ended;
  for (const {outcome, began, ended, intent} of later) {
    if (outcome !== 'done' || began < time) return undefined;
    last = intent.generation;
    time = ended;
  }
  return last;
}
