/** `--device PATH[:PATH][:rwm]`, as docker has it. */
import {resolve} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import type {Device} from '../sandbox/spec.ts';

/** @throws ChrootctlError USAGE */
export function parseDevice(text: string): Device {
  const [, source = '', target = source, access = 'rwm'] =
    /^(\/[^:]*)(?::(\/[^:]*))?(?::([rwm]{1,3}))?$/s.exec(text) ?? [];
  if (source === '') {
    throw new ChrootctlError('USAGE', `'${text}' is not a device`, {
      hint: 'write for instance /dev/fuse, or /dev/sdb:/dev/disk:r (r, w, m: what is allowed)',
    });
  }
  return {source: resolve(source), target, access};
}
