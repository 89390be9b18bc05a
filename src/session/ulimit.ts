/** `--ulimit NAME=SOFT[:HARD]`, as docker has it. */
import {ChrootctlError} from '../errors.ts';
import type {Ulimit} from '../sandbox/spec.ts';

/** @throws ChrootctlError USAGE */
export function parseUlimit(text: string): Ulimit {
  const [, name = '', soft = '', hard = soft] =
    /^(\w+)=(-1|unlimited|\d{1,15})(?::(-1|unlimited|\d{1,15}))?$/.exec(text) ?? [];
  if (name === '') {
    throw new ChrootctlError('USAGE', `'${text}' is not a limit`, {
      hint: 'write for instance nofile=1024 or nofile=1024:4096 (-1: unlimited)',
    });
  }
  return {name, soft: amount(soft), hard: amount(hard)};
}

function amount(text: string): number {
  return text === 'unlimited' ? -1 : Number(text);
}
