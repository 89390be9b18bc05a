import {execFileSync} from 'node:child_process';

/** Every file below the store, with its size: what must be again what it was. */
export function contents(store: string): string {
  return execFileSync('find', [store, '-not', '-path', '*/locks/*', '-printf', '%P %y %s\n'], {
    encoding: 'utf8',
  })
    .split('\n')
    .sort()
    .join('\n');
}
