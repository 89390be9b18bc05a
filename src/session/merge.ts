/** One set of run options over another. */
import type {RunOptions} from '../store/records.ts';

/** Later options win; environments and lists add up. */
export function mergeOptions(base: RunOptions, over: RunOptions): RunOptions {
  const defined = Object.fromEntries(Object.entries(over).filter(([, value]) => value !== undefined));
  return {
    ...base,
    ...defined,
    env: {...base.env, ...over.env},
    volumes: [...(base.volumes ?? []), ...(over.volumes ?? [])],
    devices: [...(base.devices ?? []), ...(over.devices ?? [])],
    tmpfs: [...(base.tmpfs ?? []), ...(over.tmpfs ?? [])],
    ulimits: [...(base.ulimits ?? []), ...(over.ulimits ?? [])],
    capAdd: [...(base.capAdd ?? []), ...(over.capAdd ?? [])],
    capDrop: [...(base.capDrop ?? []), ...(over.capDrop ?? [])],
  };
}
