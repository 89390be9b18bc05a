/** A command in a kept session. */
import {launch} from '../sandbox/launch.ts';
import type {SandboxResult} from '../sandbox/spec.ts';
import {randomId} from '../ids.ts';
import type {RunOptions} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {self} from '../system/identity.ts';
import {kept} from './kept.ts';
import {otherRoots, readyRoot} from './root.ts';
import {mergeOptions, sandboxSpec} from './spec.ts';

export interface ExecRequest {
  command: readonly string[];
  options?: RunOptions | undefined;
}

/** @throws ChrootctlError NOT_FOUND, BUSY */
export async function exec(
  store: Store,
  id: string,
  {command, options = {}}: ExecRequest,
): Promise<SandboxResult> {
  const record = kept(store, id);
  // The record comes first: whoever wants to unmount the root, or to commit it, sees that it is in use.
  const running = {session: id, owner: self(), command: [...command]};
  store.sessions.addExec(running);
  try {
    const directory = await readyRoot(store, id);
    const spec = sandboxSpec({
      id: `${id}.${randomId(6)}`,
      root: {directory},
      command,
      config: record.config,
      options: mergeOptions(record.options, options),
      detach: otherRoots(store, id),
    });
    return await launch(spec);
  } finally {
    store.sessions.dropExec(running);
  }
}
