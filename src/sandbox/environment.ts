/** The environment of the command: what the caller chose, and the few variables that a login would set. */
import {ChrootctlError} from '../errors.ts';
import type {Account} from './users.ts';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Nothing of our own environment goes in; HOME, USER, LOGNAME, SHELL and PATH are added where they lack.
 * @throws ChrootctlError USAGE for names or values that execve(2) cannot pass
 */
export function environmentOf(
  env: Readonly<Record<string, string>>,
  account: Account,
): Record<string, string> {
  for (const [name, value] of Object.entries(env)) {
    if (name === '' || /[=\0]/.test(name)) {
      throw new ChrootctlError('USAGE', `not a name of an environment variable: ${JSON.stringify(name)}`);
    }
    if (value.includes('\0')) throw new ChrootctlError('USAGE', `the value of ${name} contains a NUL byte`);
  }
  return {
    PATH: DEFAULT_PATH,
    HOME: account.home,
    SHELL: account.shell,
    ...(account.name === '' ? {} : {USER: account.name, LOGNAME: account.name}),
    ...env,
  };
}

/**
 * Variables that a shell or the C library would act on, change or drop. They must not be set before the programs
 * that prepare the command have run: a LD_PRELOAD meant for the command would be loaded into them, with more
 * privileges than the command is to have.
 */
const TOUCHY =
  /^(LD_.*|GLIBC_.*|MALLOC_.*|LANG|LANGUAGE|LC_.*|LOCPATH|NLSPATH|GCONV_PATH|GETCONF_DIR|TZ.*|ENV|BASH.*|SHELLOPTS|PS[0-4]|PWD|OLDPWD|PPID|SHLVL|IFS|OPT[A-Z]+|LINENO|POSIXLY_CORRECT|_)$/;

/** Whether a variable passes through a shell and the C library's start unharmed. */
export function isPlain(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !TOUCHY.test(name);
}
