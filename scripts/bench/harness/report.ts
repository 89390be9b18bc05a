/** The tables, below what their figures depend on. */
import {cpus, release, tmpdir, totalmem} from 'node:os';
import {compare, median, type Measured, type Samples} from './measure.ts';
import {call} from './processes.ts';
import {chrootctlOn} from './programs.ts';
import type {Comparison} from './section.ts';

/** `origin` is where the measured program comes from, `packages` are what it is measured beside. */
export function formatReport(
  origin: string,
  packages: readonly string[],
  measured: readonly Measured[],
): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  // Without what would tell whose machine it is.
  const head = [
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${memory} GiB`,
    // What follows the version is the name of whoever built it.
    `Linux ${/^[\d.]+/.exec(release())?.[0] ?? release()}, everything on a fresh ext4 on a loop device`,
    `${call(chrootctlOn('/', '--version'))}, ${origin}, driver overlay`,
    `Node ${process.versions.node}, ${call({words: ['bwrap', '--version']})}`,
    ...(packages.length === 0 ? [] : [`Debian's ${packages.join(', ')}`]),
    new Date().toISOString().slice(0, 10),
  ];
  return [...head.map((line) => `- ${line}`), '', ...measured.flatMap(formatSection), ''].join('\n');
}

/** Whether what is promised holds; undefined when nothing is promised, or it was not measured. */
export function holds(samples: Samples, comparison: Comparison): boolean | undefined {
  const {most} = comparison;
  if (most === undefined) return undefined;
  const found = compare(samples, comparison, 'ratio' in most ? 'ratio' : 'difference');
  if (Number.isNaN(found)) return undefined;
  return 'ratio' in most ? found <= most.ratio : found < most.milliseconds;
}

/** A line for each peer, or case of one, that has no figures. */
export function failuresOf({failures}: Measured): string[] {
  return [...failures].map(([name, reason]) => `${name} could not be measured: ${publishable(reason)}`);
}

function formatSection(measured: Measured): string[] {
  const {section, rounds, samples, failures} = measured;
  const {title, about, cases, comparisons} = section;
  if (cases.length === 0) return [`## ${title}`, '', about, ''];
  const times = [...samples].map(([name, all]) => [name, figure(median(all))]);
  const failed = [...failures.keys()].map((name) => [name, 'could not run']);
  const relations = comparisons.map((one) => [
    one.name ?? `${nameOf(one.of)} : ${nameOf(one.to)}`,
    figure(compare(samples, one, 'ratio'), 2),
    figure(compare(samples, one, 'difference')),
    promise(samples, one),
  ]);
  return [
    ...[`## ${title}`, '', `${about} Medians of ${rounds} rounds.`, ''],
    ...formatTable(['', 'ms'], [...times, ...failed]),
    ...formatTable(['', 'ratio', 'ms more', 'promised'], relations),
    ...(failures.size === 0 ? [] : [...failuresOf(measured).map((line) => `- ${line}`), '']),
  ];
}

function nameOf(side: readonly string[]): string {
  return side.length === 1 ? side.join() : `(${side.join(' + ')})`;
}

function promise(samples: Samples, comparison: Comparison): string {
  const {most} = comparison;
  if (most === undefined) return '';
  const limit =
    'ratio' in most ? `at most ${most.ratio.toFixed(2)}` : `less than ${most.milliseconds} ms more`;
  const kept = holds(samples, comparison);
  return `${limit}: ${kept === undefined ? 'not measured' : kept ? 'holds' : '**does not hold**'}`;
}

function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...rows.map(line), ''];
}

/** With three digits where there are so many. */
function figure(value: number, digits = Math.abs(value) < 20 ? 1 : 0): string {
  return Number.isNaN(value) ? '' : value.toFixed(digits);
}

/** Without what only this machine has: addresses of its package sources, and where its temporary files are. */
function publishable(text: string): string {
  return text
    .replaceAll(/https?:\/\/\S+/g, '…')
    .replaceAll(new RegExp(`(?:${tmpdir()}|/run)/chrootctl-bench-[^/\\s]*`, 'g'), '…')
    .replaceAll('|', '\\|');
}
