/** The steps of a command that change the disk: found by letting it run, not kept by hand. */
import {readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';

const HOOK = join(import.meta.dirname, 'hook.cjs');

/** A step of a command: the `occurrence`th of this name, from 1. */
export interface Step {
  name: string;
  occurrence: number;
  /** The system call that it is: the `count`th of this name, from 1. Where it was seen as one. */
  call?: {name: string; count: number};
}

/** Variables for a chrootctl that writes the names of its steps on paths below `directory` to `file`. */
export function recording(directory: string, file: string): Record<string, string> {
  return {NODE_OPTIONS: `--require=${HOOK}`, CHROOTCTL_STEPS_BELOW: directory, CHROOTCTL_STEPS_TO: file};
}

/** Variables for a chrootctl that dies by SIGKILL right before the step. */
export function dyingAt(directory: string, {name, occurrence}: Step): Record<string, string> {
  return {
    NODE_OPTIONS: `--require=${HOOK}`,
    CHROOTCTL_STEPS_BELOW: directory,
    CHROOTCTL_DIE_AT: `${occurrence} ${name}`,
  };
}

/** Reads what was recorded, and removes it. */
export function recorded(file: string): Step[] {
  const names = readFileSync(file, 'utf8').trimEnd().split('\n');
  rmSync(file);
  return numbered(names.map((name) => ({name})));
}

/** The steps in the order in which they came, each with its number among those of its name. */
export function numbered(named: readonly Omit<Step, 'occurrence'>[]): Step[] {
  const counts = new Map<string, number>();
  const steps = named.map((step) => {
    const occurrence = (counts.get(step.name) ?? 0) + 1;
    counts.set(step.name, occurrence);
    return {...step, occurrence};
  });
  // What is done again and again, once for each of many files, differs only in the first ones and the last.
  return steps.filter(({name, occurrence}) => occurrence <= 2 || occurrence === counts.get(name));
}

export function describeStep({name, occurrence}: Step): string {
  return occurrence === 1 ? name : `${name} (${occurrence})`;
}
