/** What a testbed can truthfully be said to be, in the protocol's words. */
import type {View} from '../sandbox/in-root.ts';
import {ordinaryUsers, resolveUser} from '../sandbox/users.ts';
import type {RunOptions} from '../store/records.ts';

/**
 * `downtmp-host` is not among them: who works in the root by its path on the host follows the links that tests have made
 * there, as root and out of it. Nor is `isolation-container`: the network is the host's, or none.
 * @param views the root, when nothing runs in it
 */
export function capabilitiesOf(views: readonly View[], options: RunOptions): string[] {
  const {uid, name} = resolveUser(views, options.user);
  const isRoot = uid === 0;
  const [user = ''] = isRoot ? ordinaryUsers(views) : [name];
  return [
    'revert',
    ...(reachesOut(options) ? [] : ['revert-full-system']),
    ...(isRoot ? ['root-on-testbed'] : []),
    ...(user === '' ? [] : [`suggested-normal-user=${user}`]),
  ];
}

/** Whether commands may change what is no part of the clone, and stays when that is thrown away. */
function reachesOut({volumes = [], devices = [], privileged, capAdd = []}: RunOptions): boolean {
  return (
    privileged === true ||
    capAdd.length > 0 ||
    volumes.some(({readOnly}) => !readOnly) ||
    devices.some(({access}) => access.includes('w'))
  );
}
