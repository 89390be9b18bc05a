/**
 * What the innermost link is told where it is native/inside, a small static program: it does by itself what a shell and
 * setpriv(1), chroot(1) and env(1) do else (confinement.ts), so that nothing of the host but itself is shown inside.
 */
import {ALL_CAPABILITIES} from './capabilities.ts';
import type {Confinement} from './confinement.ts';
import {listed} from './outer.ts';

export function insideInput({
  account: {uid, gid, groups},
  capabilities,
  env,
  command,
}: Omit<Confinement, 'tool'>): Buffer {
  const kept = (capabilities ?? []).map((name) => ALL_CAPABILITIES.indexOf(name));
  return listed([
    listed([
      listed([uid, gid, capabilities === undefined ? 0 : 1]),
      listed(groups),
      listed(kept),
      listed(Object.entries(env).map(([name, value]) => `${name}=${value}`)),
      listed(command),
    ]),
  ]);
}
