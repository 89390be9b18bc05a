/**
 * A command in a store that is read-only, where neither a clone nor a record can be made: it gets the version itself. What
 * the sandbox has to make in the root (mount points, /etc/hosts) goes to memory, and with the sandbox.
 */
import {randomId} from '../ids.ts';
import type {Reference} from '../reference.ts';
import {launch} from '../sandbox/launch.ts';
import type {SandboxResult} from '../sandbox/spec.ts';
import {optionsUnder} from '../store/policy.ts';
import type {RunOptions} from '../store/records.ts';
import {resolveUnderPolicy} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {withScratch} from '../system/mount-plan.ts';
import {otherRoots} from './root.ts';
import {sandboxSpec} from './spec.ts';

/** @throws ChrootctlError */
export async function runUnrecorded(
  store: Store,
  reference: Reference,
  {
    command,
    options = {},
    measured,
  }: {command: readonly string[]; options?: RunOptions | undefined; measured?: boolean | undefined},
): Promise<SandboxResult> {
  const {version, policy} = resolveUnderPolicy(store, reference);
  const mountPoint = store.layout.mounts;
  const plan = withScratch(await store.driver.plan(version.volume), mountPoint);
  const id = randomId(12);
  return launch(
    sandboxSpec({
      id,
      root: {plan, mountPoint},
      command,
      config: version.config,
      options: optionsUnder(policy, options),
      detach: otherRoots(store),
      where: {image: version.image, version: version.id, session: id},
      measured,
    }),
  );
}
