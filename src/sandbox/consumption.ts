/** What a sandbox took, from its control groups and from what the outer link reports when all has ended. */
import {join} from 'node:path';
import {readIfExists} from '../system/files.ts';
import type {Usage} from './spec.ts';

/** How many processes of these control groups the kernel has killed for want of memory. */
export function killedFor(groups: readonly string[]): number {
  for (const file of ['memory.events', 'memory.oom_control']) {
    const count = /^oom_kill (\d+)$/m.exec(firstOf(groups, file) ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return 0;
}

/** The most memory that their processes held together, in bytes; null where no group counts it. */
export function peakOf(groups: readonly string[]): number | null {
  const text = firstOf(groups, 'memory.peak') ?? firstOf(groups, 'memory.max_usage_in_bytes');
  return text === undefined ? null : Number(text);
}

/** From the line `usage …` that outer.ts has the chain print: seconds, microseconds, KiB and bytes. */
export function usageOf(status: string, wall: number, peakMemory: number | null): Usage {
  const line = /^usage (\d+) (\d+) (\d+) (\d+) (\d+) (\d+|-)$/m.exec(status)?.slice(1) ?? [];
  const [userSeconds, userMicros, systemSeconds, systemMicros, largest] = line.map(Number);
  const seconds = (whole: number | undefined, micros: number | undefined): number | null =>
    whole === undefined || micros === undefined ? null : whole + micros / 1e6;
  return {
    wall,
    user: seconds(userSeconds, userMicros),
    system: seconds(systemSeconds, systemMicros),
    peakMemory,
    largestProcess: largest === undefined ? null : largest * 1024,
    written: line[5] === undefined || line[5] === '-' ? null : Number(line[5]),
  };
}

function firstOf(groups: readonly string[], file: string): string | undefined {
  for (const group of groups) {
    const text = readIfExists(join(group, file));
    if (text !== undefined) return text;
  }
  return undefined;
}
