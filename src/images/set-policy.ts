/** Looking at what holds for an image, and changing it. */
import {parseReference} from '../reference.ts';
import {checkProfile} from '../session/profiles.ts';
import {telling} from '../store/commit-point.ts';
import type {Policy} from '../store/policy.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {existing} from './list.ts';

/** @throws ChrootctlError NOT_FOUND; BAD_INPUT when it cannot be read */
export function policyOf(store: Store, name: string): Policy {
  return existing(store, parseReference(name)).policy();
}

/**
 * Replaces what is named. The profile `default` is what holds without one.
 * @throws Incomplete when it holds, and something failed after that
 * @throws ChrootctlError NOT_FOUND, USAGE
 */
export async function setPolicy(store: Store, name: string, {profile}: {profile: string}): Promise<Policy> {
  checkProfile(profile);
  const image = existing(store, parseReference(name));
  const policy = profile === 'default' ? {} : {profile};
  await telling((tell) =>
    image.change((change) =>
      withReserve(store.layout, () =>
        change.setPolicy(policy, () => {
          tell({
            words: `commands in ${image.name} start from the profile ${profile} now`,
            rest: `chrootctl policy ${image.name} shows it, and chrootctl gc collects what is left`,
            facts: {image: image.name, profile},
          });
        }),
      ),
    ),
  );
  return policy;
}
