/**
 * The safe way to change an image: run on its latest version, commit, and when another commit got there first, run
 * again on the new one. A change that was made against an old state is never merged by guesswork.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';
import {parseTarget} from '../reference.ts';
import type {Store} from '../store/store.ts';
import {isConflict} from './conflict.ts';
import {run, type RunRequest, type RunResult} from './run.ts';
import type {CommitOptions} from './publish.ts';

export interface UpdateRequest extends Omit<RunRequest, 'reference' | 'commit' | 'keep' | 'name'> {
  image: string;
  commit?: CommitOptions | undefined;
  /** How often to run again after a conflict. Default: 3. */
  retries?: number | undefined;
  /** Told before the command is run again. */
  onRetry?: ((conflict: ChrootctlError, left: number) => void) | undefined;
}

const RETRIES = 3;

/** @throws ChrootctlError NOT_FOUND, CONFLICT when every try came too late (nothing has changed then) */
export async function update(store: Store, request: UpdateRequest): Promise<RunResult> {
  const {image, tag} = parseTarget(request.image);
  if (tag !== null) {
    throw new ChrootctlError(
      'USAGE',
      `update changes the latest version of an image: '${request.image}' names a tag`,
      {
        hint: `write chrootctl update ${image}, or run --commit=TAG on what you want to start from`,
      },
    );
  }
  for (let left = request.retries ?? RETRIES; ; left--) {
    try {
      return await run(store, {
        reference: {image, selector: {kind: 'latest'}},
        command: request.command,
        options: request.options,
        labels: request.labels,
        measured: request.measured,
        commit: request.commit ?? {},
        onConflict: 'discard',
        onFailure: request.onFailure,
      });
    } catch (error) {
      if (!isConflict(error)) throw error;
      if (left <= 0) {
        throw new ChrootctlError(
          'CONFLICT',
          `${error.message}; gave up after ${(request.retries ?? RETRIES) + 1} runs`,
          {
            hint: `nothing has changed: try again with a higher --retries, when fewer others update ${image}`,
            cause: error,
          },
        );
      }
      request.onRetry?.(error, left);
      // Those who lost together should not meet again at the same moment.
      await sleep(Math.random() * 200);
    }
  }
}
