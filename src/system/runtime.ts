/** What runs us. The only place that knows of more than one. */
import {errnoOf} from '../errors.ts';

const isBun = process.versions['bun'] !== undefined;

export const RUNTIME: {name: string; version: string} = isBun
  ? {name: 'bun', version: process.versions['bun'] ?? ''}
  : {name: 'node', version: process.versions.node};

export interface OwnProgram {
  file: string;
  /** Begin with the name that it is started by. */
  words: readonly string[];
  /** The words of our caller, as they are to be read in ps(1). */
  shown: readonly string[];
}

/** What starts this program again, with the words that it was started with. */
export function ownProgram(): OwnProgram {
  const words = process.argv.slice(2);
  const shown = ['chrootctl', ...words];
  // One executable is all of it there.
  return isBun
    ? {file: process.execPath, words: shown, shown}
    : {
        file: process.execPath,
        words: [process.argv0, ...process.execArgv, process.argv[1] ?? '', ...words],
        shown,
      };
}

/** Whether this process can become another program (execve(2)): since Node 22.15. */
export function canBecome(): boolean {
  return typeof (process.execve as unknown) === 'function';
}

/**
 * Becomes another program, with nothing open but the standard streams. Comes back where the kernel refuses it, and the
 * runtime survives that: an older Node ends then.
 */
export function become(file: string, words: readonly string[], env: NodeJS.ProcessEnv): void {
  try {
    process.execve?.(file, words, env);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/** A variable of our caller's. What begins like a setting of the runtime has another name where that must not hear of it. */
export function callersVariable(name: string): string | undefined {
  return process.env[isBun && name.startsWith('BUN_') ? `CHROOTCTL_CALLERS_${name}` : name];
}
