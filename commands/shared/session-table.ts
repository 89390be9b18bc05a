import type {ListedSession} from '../../src/session/list.ts';
import {formatAge, formatSize} from '../../src/units.ts';
import {printable, table} from './table.ts';

/** Commands are cut there, as docker does. */
const COMMAND_WIDTH = 40;

/** With a column of sizes if the sessions have any. */
export function sessionTable(sessions: readonly (ListedSession & {size?: number | null})[]): string[] {
  const sized = sessions.some(({size}) => size !== undefined);
  return table(
    ['SESSION', 'IMAGE', 'VERSION', 'STATE', 'CREATED', ...(sized ? ['SIZE'] : []), 'COMMAND'],
    sessions.map(({id, image, version, state, created, command, size}) => [
      id,
      image,
      version ?? '-',
      state,
      formatAge(created),
      ...(sized ? [typeof size === 'number' ? formatSize(size) : '-'] : []),
      cut(printable(command.join(' '))),
    ]),
  );
}

function cut(text: string): string {
  return text.length > COMMAND_WIDTH ? `${text.slice(0, COMMAND_WIDTH - 1)}…` : text;
}
