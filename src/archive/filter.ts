/** The output of a program, compressed on its way. */
import {Child, type Ended} from '../system/child.ts';
import type {Producer} from './output.ts';

/** @param compressor a command line; without one the program writes to `stdout` itself */
export function compressed(
  start: (stdout: 'pipe' | number) => Child,
  compressor: string | undefined,
  stdout: 'pipe' | number,
): Producer {
  if (compressor === undefined) return start(stdout);
  const [program = '', ...args] = compressor.split(' ');
  const source = start('pipe');
  const filter = new Child(program, args, ['pipe', stdout]);
  source.stdout.pipe(filter.stdin);
  const ended = endOf(source, filter);
  // Whoever awaits it gets the error; nobody need.
  ended.catch(() => undefined);
  return {
    get stdout() {
      return filter.stdout;
    },
    ended,
    cutOff: () => {
      source.cutOff();
      filter.cutOff();
    },
    kill: () => {
      source.kill();
      filter.kill();
    },
  };
}

/** The compressor's failure comes first: what the source says then is that nobody reads it. */
async function endOf(source: Child, filter: Child): Promise<Ended> {
  try {
    const last = await filter.ended;
    if (last.code !== 0) return last;
  } finally {
    source.cutOff();
  }
  return source.ended;
}
