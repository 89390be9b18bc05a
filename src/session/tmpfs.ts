/** `--tmpfs PATH[:OPTIONS]`, as docker has it. */
import {ChrootctlError} from '../errors.ts';
import type {Tmpfs} from '../sandbox/spec.ts';
import {parseSize} from '../units.ts';

/** What a file system in memory is anyway here, and what need not be said. */
const ALWAYS = ['rw', 'nosuid', 'nodev', 'exec', 'relatime'];

/** @throws ChrootctlError USAGE */
export function parseTmpfs(text: string): Tmpfs {
  const [, target = '', options = ''] = /^(\/[^:]*)(?::(.*))?$/s.exec(text) ?? [];
  if (target === '') throw unusable(`'${text}' is not a place for a file system in memory`);
  const tmpfs: Tmpfs = {target, mode: 0o1777, readOnly: false};
  for (const option of options.split(',').filter((each) => each !== '' && !ALWAYS.includes(each))) {
    const [, name = option, value = ''] = /^(\w+)=(.*)$/.exec(option) ?? [];
    if (option === 'ro') tmpfs.readOnly = true;
    else if (name === 'size') tmpfs.size = parseSize(value);
    else if (name === 'mode' && /^[0-7]{3,4}$/.test(value)) tmpfs.mode = parseInt(value, 8);
    else throw unusable(`--tmpfs knows no option '${option}'`);
  }
  return tmpfs;
}

function unusable(message: string): ChrootctlError {
  return new ChrootctlError('USAGE', message, {
    hint: 'write for instance /run, or /tmp:size=1g,mode=1777; it is nosuid and nodev always',
  });
}
