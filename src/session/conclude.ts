/** The rest of a run whose process was succeeded while the command ran (sandbox/succession.ts), and goes on. */
import {afterwards} from '../errors.ts';
import {certificateCodes, certificatesHint} from '../sandbox/certificates.ts';
import {concludeLaunch} from '../sandbox/launch.ts';
import type {Succeeded} from '../sandbox/succession.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {isSelf} from '../system/identity.ts';
import {toTheEnd} from '../system/interruption.ts';
import {discard} from './discard.ts';
import type {RunResult} from './run.ts';

/** @throws ChrootctlError when the command could not be run, or something of it cannot be removed */
export async function concludeRun(store: Store, succeeded: Succeeded): Promise<RunResult> {
  const found = store.sessions.find(succeeded.id);
  // Whoever is named in our environment: what is another's is not ours to end.
  const record = found !== undefined && isSelf(found.owner) ? found : undefined;
  const end = (): Promise<void> =>
    toTheEnd(async () => {
      if (record !== undefined) await discard(store, record);
    });
  let result: RunResult;
  try {
    result = concludeLaunch(succeeded);
    const advice = await adviceFor(store, record, result.exitCode);
    if (advice !== undefined) result = {...result, advice};
  } catch (error) {
    throw await afterwards(error, end);
  }
  await end();
  return result;
}

async function adviceFor(
  store: Store,
  record: SessionRecord | undefined,
  exitCode: number,
): Promise<string | undefined> {
  if (record === undefined || !certificateCodes.includes(exitCode)) return undefined;
  const {layers} = await store.driver.plan(record.volume, {readOnly: true});
  return certificatesHint(exitCode, layers);
}
