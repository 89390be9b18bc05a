/** Keeping a session's volume mounted for all that is to be done with it. */
import type {Store} from '../store/store.ts';

/** Runs `work` while the volume is, where that spares mounting it several times. */
export async function holding<T>({driver}: Store, volume: string, work: () => Promise<T>): Promise<T> {
  const letGo = await driver.hold?.(volume);
  try {
    return await work();
  } finally {
    await letGo?.();
  }
}
