/** How a chrootctl is watched at its steps, and killed at one of them. */
import {readFileSync, rmSync} from 'node:fs';
import {relative} from 'node:path';
import {dyingAt, numbered, recorded, recording, type Step} from './steps.ts';
import {nameOfPath} from './names.cjs';

/** What a chrootctl is called with besides its words. */
export interface Calling {
  env?: Record<string, string>;
  /** Words of a program that starts it. */
  through?: readonly string[];
}

export interface Way {
  /** For one that writes its steps on paths below `directory` to `file`. */
  recording: (directory: string, file: string) => Calling;
  /** Reads what was recorded, and removes it. */
  recorded: (file: string, directory: string) => Step[];
  /** For one that dies by SIGKILL right before the step. */
  dyingAt: (directory: string, step: Step) => Calling;
}

/** By what is loaded into Node before the program. */
export const HOOKED: Way = {
  recording: (directory, file) => ({env: recording(directory, file)}),
  recorded,
  dyingAt: (directory, step) => ({env: dyingAt(directory, step)}),
};

/**
 * By strace(1), whatever the program is: system calls of its first thread that change what is on the disk, or what of it
 * lasts. What becomes of it by execve(2) is in it too, what it starts is not.
 */
export const TRACED: Way = {
  recording: (_directory, file) => ({
    through: ['strace', '-qq', '-y', '-s', '4096', '-e', 'signal=none', '-e', TRACE, '-o', file],
  }),
  recorded(file, directory) {
    const calls = new Map<string, number>();
    const steps = readFileSync(file, 'utf8')
      .split('\n')
      .flatMap((line): Step[] => {
        const [, call = '', rest = ''] = /^(\w+)\((.*)$/.exec(line) ?? [];
        if (call === '') return [];
        const count = (calls.get(call) ?? 0) + 1;
        calls.set(call, count);
        const path = [...rest.matchAll(/["<](\/[^">]*)[">]/g)]
          .map(([, each = '']) => each)
          .find((each) => each.startsWith(`${directory}/`));
        if (path === undefined) return [];
        return [
          {
            name: `${call} ${nameOfPath(relative(directory, path))}`,
            occurrence: 0,
            call: {name: call, count},
          },
        ];
      });
    rmSync(file);
    return numbered(steps);
  },
  dyingAt(_directory, {name, call}) {
    if (call === undefined) throw new Error(`'${name}' was not recorded by strace`);
    const inject = `inject=${call.name}:signal=SIGKILL:when=${call.count}`;
    return {through: ['strace', '-qq', '-o', '/dev/null', '-e', `trace=${call.name}`, '-e', inject]};
  },
};

const TRACE =
  'trace=/^(rename|link|symlink|unlink|mkdir|mknod|chmod|fchmod|chown|fchown|lchown|truncate|ftruncate|utimensat|fsync|fdatasync|rmdir)';
