/** Whether commands can run here at all: what every run takes from the machine, tried as a run does it. */
import {ChrootctlError, messageOf, toChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {launch} from '../sandbox/launch.ts';
import type {SandboxSpec} from '../sandbox/spec.ts';
import {detectDriver, requireDriver} from '../storage/detect.ts';
import {checkDriverName, type Store} from '../store/store.ts';
import {inUserNamespace, lack, missingRights, shortage} from '../system/rights.ts';

export interface Hindrance {
  /** `permission`: somebody must allow it; `sandbox`: something else is missing. */
  kind: 'permission' | 'sandbox';
  what: string;
  fix: string;
}

/** What keeps the commands of a store from running in this place, or from all that they may ask for. */
export async function hindrances(store: Store): Promise<Hindrance[]> {
  const isRoot = process.geteuid?.() === 0;
  const lacking = isRoot ? undefined : lack();
  if (lacking !== undefined)
    return [{kind: 'permission', what: `no command can run here: ${lacking.what}`, fix: lacking.remedy}];
  const missing = missingRights();
  const short = shortage(missing);
  const isHopeless = missing.includes('SYS_ADMIN');
  const obstacle = isHopeless ? undefined : await obstacleToRun(store, missing.includes('NET_ADMIN'));
  if (obstacle !== undefined) return [hindrance(`no command can run here: ${obstacle.message}`, obstacle)];
  if (short === undefined) return [];
  const effect = isHopeless ? 'no command can run here' : 'not everything works here';
  return [{kind: 'permission', what: `${effect}: ${short.what}`, fix: short.remedy}];
}

/** What detection says of this place now, in a sentence. */
export async function reasonForDriver({layout}: Store): Promise<string> {
  try {
    return (await detectDriver(layout.volumes)).why;
  } catch (error) {
    return `nothing could be tried now (${messageOf(error)})`;
  }
}

function hindrance(what: string, {code, hint}: ChrootctlError): Hindrance {
  const kind = code === 'NOT_PERMITTED' ? 'permission' : 'sandbox';
  return {kind, what, fix: hint ?? 'the kernel log (dmesg) may say more'};
}

async function obstacleToRun(store: Store, hasNoNetwork: boolean): Promise<ChrootctlError | undefined> {
  try {
    // That it ends at all, with whatever code, is what is asked: a directory cannot be executed.
    await launch(trialSpec(store, hasNoNetwork ? 'host' : 'none'), {stdio: 'ignore'});
    // Elsewhere what worked when the store was made still does.
    if (inUserNamespace()) await requireDriver(checkDriverName(store.driver.name), store.layout.volumes);
    return undefined;
  } catch (error) {
    return toChrootctlError(error);
  }
}

/** An empty root that is gone with its sandbox. */
function trialSpec({layout}: Store, network: SandboxSpec['network']): SandboxSpec {
  const plan = {
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['mode=0755', 'size=1m'],
    workingDirectory: layout.mounts,
    layers: [layout.mounts],
  };
  return {
    id: randomId(12),
    root: {plan, mountPoint: layout.mounts},
    command: ['/'],
    env: {},
    workdir: '/',
    network,
    readOnly: false,
    volumes: [],
    devices: [],
    tmpfs: [],
    ulimits: [],
    capabilities: {add: [], drop: []},
    privileged: false,
    limits: {},
  };
}
