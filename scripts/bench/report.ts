/** The tables. */
import {tmpdir} from 'node:os';
import {median, namesOf, pairwise, type Measurements, type Samples} from './measure.ts';
import type {Comparison, Section, Side, Table} from './section.ts';

export interface Measured extends Measurements {
  section: Section;
  rounds: number;
}

export function formatReport(head: readonly string[], measured: readonly Measured[]): string {
  return [...head.map((line) => `- ${line}`), '', ...measured.flatMap(formatSection), ''].join('\n');
}

/** Whether what is promised holds; undefined when nothing is promised, or it was not measured. */
export function holds(samples: Samples, {of, to, most}: Comparison): boolean | undefined {
  if (most === undefined) return undefined;
  const found =
    'ratio' in most
      ? pairwise(samples, [of, to], (a, b) => a.wall / b.wall)
      : pairwise(samples, [of, to], (a, b) => a.wall - b.wall);
  if (found === undefined) return undefined;
  return 'ratio' in most ? found <= most.ratio : found < most.milliseconds;
}

/** A line for each peer, or case of one, that has no figures. */
export function failuresOf({section, failures}: Measured): string[] {
  const all = [...(section.failures ?? []), ...failures];
  return all.map(([name, reason]) => `${name} could not be measured: ${publishable(reason)}`);
}

function formatSection(measured: Measured): string[] {
  const {section, rounds} = measured;
  const failures = failuresOf(measured);
  return [
    `## ${section.title}`,
    '',
    section.cases.length === 0 ? section.about : `${section.about} Medians of ${rounds} rounds.`,
    '',
    ...(section.cases.length === 0 ? [] : formatCases(measured)),
    ...(section.table === undefined ? [] : [...formatTable(section.table), '']),
    ...failures.map((line) => `- ${line}`),
    ...(failures.length === 0 ? [] : ['']),
  ];
}

function formatCases({section, samples}: Measured): string[] {
  const {cases, comparisons, runs} = section;
  const withoutCpu = new Set(cases.flatMap(({name, hasCpu = true}) => (hasCpu ? [] : [name])));
  const rows = cases.map(({name}) => {
    const all = samples.get(name);
    if (all === undefined) return [name, 'could not run', '', ''];
    const wall = median(all.map((sample) => sample.wall));
    const cpu = withoutCpu.has(name) ? '' : number(median(all.map((sample) => sample.cpu)));
    return [name, number(wall), cpu, runs === undefined ? '' : number((runs * 1000) / wall)];
  });
  for (const name of section.failures?.keys() ?? []) rows.push([name, 'could not run', '', '']);
  const columns = runs === undefined ? 3 : 4;
  const parts = [
    ...formatTable({
      head: ['', 'wall, ms', 'CPU, ms', 'runs per second'].slice(0, columns),
      rows: rows.map((row) => row.slice(0, columns)),
    }),
    '',
  ];
  if (comparisons.length === 0) return parts;
  const pairs = comparisons.map((comparison) => {
    const pair = [comparison.of, comparison.to] as const;
    const hasCpu = pair.flatMap(namesOf).every((name) => !withoutCpu.has(name));
    return [
      comparison.name ?? `${nameOf(comparison.of)} : ${nameOf(comparison.to)}`,
      pairwise(samples, pair, (a, b) => a.wall / b.wall)?.toFixed(2) ?? '',
      hasCpu ? (pairwise(samples, pair, (a, b) => a.cpu / b.cpu)?.toFixed(2) ?? '') : '',
      number(pairwise(samples, pair, (a, b) => a.wall - b.wall)),
      promise(samples, comparison),
    ];
  });
  return [
    ...parts,
    ...formatTable({head: ['', 'wall', 'CPU', 'wall, ms more', 'promised'], rows: pairs}),
    '',
  ];
}

function nameOf(side: Side): string {
  const names = namesOf(side);
  return names.length === 1 ? names.join() : `(${names.join(' + ')})`;
}

function promise(samples: Samples, comparison: Comparison): string {
  const {most} = comparison;
  if (most === undefined) return '';
  const limit =
    'ratio' in most ? `at most ${most.ratio.toFixed(2)}` : `less than ${most.milliseconds} ms more`;
  const kept = holds(samples, comparison);
  return `${limit}: ${kept === undefined ? 'not measured' : kept ? 'holds' : '**does not hold**'}`;
}

function formatTable({head, rows}: Table): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...rows.map(line)];
}

/** With three digits where there are so many. */
export function number(value: number | undefined): string {
  return value?.toFixed(Math.abs(value) < 20 ? 1 : 0) ?? '';
}

/** Without what only this machine has: addresses of its package sources, and where its temporary files are. */
function publishable(text: string): string {
  return text
    .replaceAll(/https?:\/\/\S+/g, '…')
    .replaceAll(new RegExp(`(?:${tmpdir()}|/run)/chrootctl-bench-[^/\\s]*`, 'g'), '…')
    .replaceAll('|', '\\|');
}
