/** `-v SOURCE:TARGET[:ro]`, as docker has it. */
import {resolve} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import type {Volume} from '../sandbox/spec.ts';

/** A relative source starts at the working directory. @throws ChrootctlError USAGE */
export function parseVolume(text: string): Volume {
  const match = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/s.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new ChrootctlError('USAGE', `'${text}' is not a volume`, {
      hint: 'write SRC:DST or SRC:DST:ro, DST being an absolute path inside',
    });
  }
  return {source: resolve(match[1]), target: match[2], readOnly: match[3] === 'ro'};
}
