/** A shell in a testbed, at the terminal of whom we serve. */
import {closeSync, openSync} from 'node:fs';
import {once} from 'node:events';
import {errnoOf, whyOf} from '../errors.ts';
import {start} from '../system/programs.ts';
import {Unable} from './protocol.ts';

const SHELL =
  'cd -- "$1" && shift && exec env "$@" sh -c "command -v bash >/dev/null && exec bash -i; exec sh -i"';

/** @throws Unable where there is no terminal */
export async function openShell(
  [program = '', ...words]: readonly string[],
  directory: string,
  variables: readonly string[],
): Promise<void> {
  const terminal = openTerminal();
  try {
    const shell = start(program, [...words, 'sh', '-c', SHELL, 'sh', directory, ...variables], {
      stdio: [terminal, terminal, terminal],
      env: {TERM: process.env['TERM'] ?? 'dumb'},
    });
    await once(shell, 'exit');
  } finally {
    closeSync(terminal);
  }
}

function openTerminal(): number {
  try {
    return openSync('/dev/tty', 'r+');
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw new Unable('not supported by virt server', `a shell needs a terminal: ${whyOf(error)}`);
  }
}
