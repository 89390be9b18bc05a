/**
 * What happens inside the sandbox, between bwrap and the command: who the command is and what it may. Said to a shell; where
 * one program does all of it, inside.ts tells it the same.
 */
import {ChrootctlError} from '../errors.ts';
import type {Capability} from './capabilities.ts';
import {innerScript} from './chain.ts';
import {isPlain} from './environment.ts';
import type {Tool} from './toolbox.ts';
import type {Account} from './users.ts';

export interface Confinement {
  account: Account;
  /** Exactly what the command is to have; undefined: whatever there is (privileged). */
  capabilities: readonly Capability[] | undefined;
  env: Readonly<Record<string, string>>;
  command: readonly string[];
  /** The words that run a tool of the toolbox. */
  tool: (name: Tool) => readonly string[];
}

/**
 * The capabilities that the tools themselves need to become somebody else with fewer of them. SYS_CHROOT: chroot(1)
 * calls chroot(2) for `/` as well.
 */
export const NEEDED_TO_SWITCH: readonly Capability[] = ['SETUID', 'SETGID', 'SETPCAP', 'SYS_CHROOT'];

/**
 * What the innermost shell reads, which bwrap starts. The permitted, effective and bounding sets become exactly the chosen one for uid 0; another user has it as
 * bounding set alone. The inheritable and ambient sets are empty, as docker's are (CVE-2022-24769).
 *
 * The user is switched by chroot(1) from coreutils (to `/`, which changes no root): with `+NUMBER` it asks no name
 * service. setpriv --reuid would ask, and load whatever modules the root's /etc/nsswitch.conf names, as root.
 */
export function innermost({account, capabilities, env, command, tool}: Confinement): string {
  const variables = Object.entries(env);
  const [plain, awkward] = [true, false].map((wanted) =>
    variables.filter(([name]) => isPlain(name) === wanted),
  );
  const words = [
    ...switchUser(account, capabilities, tool),
    ...setEnvironment(awkward ?? [], command, tool),
    ...command,
  ];
  return innerScript(Object.fromEntries(plain ?? []), words);
}

function switchUser(
  {uid, gid, groups}: Account,
  capabilities: readonly Capability[] | undefined,
  tool: Confinement['tool'],
): string[] {
  const setpriv = (...options: string[]) => [...tool('setpriv'), '--inh-caps=-all', ...options, '--'];
  const bounding =
    capabilities === undefined
      ? []
      : [`--bounding-set=-all${capabilities.map((name) => `,+${name.toLowerCase()}`).join('')}`];
  // With the user's own group among them, as login programs have it (initgroups(3)).
  const chroot = [
    ...tool('chroot'),
    ...[
      `--userspec=+${uid}:+${gid}`,
      `--groups=${[...new Set([gid, ...groups])].map((group) => `+${group}`).join(',')}`,
      // To where it is already; without the option it would also go there.
      '--skip-chdir',
      '/',
    ],
  ];
  if (uid === 0) {
    const switched = gid === 0 && groups.length === 0 ? [] : chroot;
    return [...switched, ...setpriv(...bounding)];
  }
  const maySwitch =
    capabilities === undefined || NEEDED_TO_SWITCH.every((name) => capabilities.includes(name));
  // The switch away from root takes every capability from the process by itself (capabilities(7)) …
  if (maySwitch) return [...setpriv(...bounding), ...chroot];
  // … unless told not to: here what is needed for the switch must go after it, which needs SETPCAP kept.
  return [
    ...[...tool('setpriv'), '--securebits=+no_setuid_fixup', '--'],
    ...chroot,
    ...setpriv('--securebits=-no_setuid_fixup', ...bounding),
  ];
}

/**
 * Variables that the shell cannot hold, or that would act on the programs in between, are set last of all. Their values
 * are seen in ps(1) for a moment, as words of env(1).
 */
function setEnvironment(
  variables: readonly (readonly [name: string, value: string])[],
  command: readonly string[],
  tool: Confinement['tool'],
): string[] {
  if (variables.length === 0) return [];
  if (command[0]?.includes('=') === true) {
    throw new ChrootctlError(
      'USAGE',
      `a command with = in its name cannot have these variables: ${command[0]}`,
      {
        hint: 'run it through a shell: sh -c …',
      },
    );
  }
  return [...tool('env'), '--', ...variables.map(([name, value]) => `${name}=${value}`)];
}
