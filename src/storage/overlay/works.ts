/** Whether overlayfs works in a room of volumes, which is tried out once for each kernel and user namespace. */
import {mkdirSync, readlinkSync} from 'node:fs';
import {release} from 'node:os';
import {join} from 'node:path';
import {errnoOf} from '../../errors.ts';
import {LOWER} from '../on-disk/volume-record.ts';
import {apart, overlayPlan} from './upper.ts';
import {readIfExists, writeAtomically} from '../../system/files.ts';

/** In the room, beside its lock. */
const REMEMBERED = '.overlay';

export async function overlayWorksIn(volumes: string): Promise<boolean> {
  const path = join(volumes, REMEMBERED);
  const here = `${release()} ${readlinkSync('/proc/self/ns/user')}`;
  const [place, answer] = (readIfExists(path) ?? '').trimEnd().split('\n');
  if (place === here && (answer === 'yes' || answer === 'no')) return answer === 'yes';
  const works = await tryOut(volumes);
  try {
    writeAtomically(path, `${here}\n${works ? 'yes' : 'no'}\n`, 0o600);
  } catch (error) {
    // It is tried out again the next time.
    if (errnoOf(error) === undefined) throw error;
  }
  return works;
}

/** What is tried out is a program of many parts, which no other run needs. */
async function tryOut(volumes: string): Promise<boolean> {
  const [{inTrial}, {tryPlan}, {obstacleTo}] = await Promise.all([
    import('../trial.ts'),
    import('./kind.ts'),
    import('../probes.ts'),
  ]);
  const probe = async (trial: string): Promise<void> => {
    const [id, parent] = ['a', 'b'];
    mkdirSync(join(trial, id, LOWER), {recursive: true});
    const record = {chrootctl: 1, id, driver: 'btrfs', state: 'active', parent, ephemeral: true} as const;
    const layers = [`${id}/fs`, `${parent}/fs`];
    const plan = apart(trial, id, overlayPlan(trial, {...record, layers}));
    const [upper = '', lower = ''] = layers.map((layer) => join(trial, layer));
    await tryPlan(plan, {lower, upper, work: join(trial, id, 'work')});
  };
  const obstacle = await inTrial(volumes, (trial) => obstacleTo(probe, trial));
  return obstacle === undefined;
}
