import type {ListedSession} from '../../src/session/list.ts';
import {formatAge} from '../../src/units.ts';
import {printable, table} from './table.ts';

/** Commands are cut there, as docker does. */
const COMMAND_WIDTH = 40;

export function sessionTable(sessions: readonly ListedSession[]): string[] {
  return table(
    ['SESSION', 'IMAGE', 'VERSION', 'STATE', 'CREATED', 'COMMAND'],
    sessions.map(({id, image, version, state, created, command}) => [
      id,
      image,
      version ?? '-',
      state,
      formatAge(created),
      cut(printable(command.join(' '))),
    ]),
  );
}

function cut(text: string): string {
  return text.length > COMMAND_WIDTH ? `${text.slice(0, COMMAND_WIDTH - 1)}…` : text;
}
