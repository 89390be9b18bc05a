/** `--report FILE`: how a command ended and what it took, as JSON for programs. */
import {closeSync, openSync, writeFileSync} from 'node:fs';
import type {SandboxResult} from '../sandbox/spec.ts';
import {signalOf} from '../system/death.ts';
import {naming} from '../system/files.ts';

export class ReportFile {
  readonly #path: string;
  readonly #fd: number;

  /** Opened before the command runs, so that a place that cannot be written is told in time. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'w', 0o644);
  }

  /**
   * Times are in seconds, memory and what was written in bytes; null is what the kernel does not tell here. A command that
   * ends with a code above 128 by itself cannot be told from one that a signal ended.
   */
  write({exitCode, timedOut, outOfMemory, usage}: SandboxResult): void {
    const report = {
      exitCode,
      signal: signalOf(exitCode),
      timedOut,
      outOfMemory: (outOfMemory ?? 0) > 0,
      wall: usage?.wall ?? null,
      cpu: usage === undefined || usage.user === null ? null : usage.user + (usage.system ?? 0),
      user: usage?.user ?? null,
      system: usage?.system ?? null,
      peakMemory: usage?.peakMemory ?? null,
      largestProcess: usage?.largestProcess ?? null,
      written: usage?.written ?? null,
    };
    naming(this.#path, () => writeFileSync(this.#fd, `${JSON.stringify(report, null, 2)}\n`));
    closeSync(this.#fd);
  }
}
