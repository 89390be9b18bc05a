/** The tables. */
import {median, pairwise, type Samples} from './measure.ts';
import type {Comparison, Section} from './section.ts';

export interface Measured {
  section: Section;
  rounds: number;
  samples: Samples;
}

export function formatReport(machine: readonly string[], measured: readonly Measured[]): string {
  return [...machine.map((line) => `- ${line}`), '', ...measured.flatMap(formatSection), ''].join('\n');
}

/** Whether what is promised holds; undefined when nothing is promised. */
export function holds(samples: Samples, {of, to, most}: Comparison): boolean | undefined {
  if (most === undefined) return undefined;
  return 'ratio' in most
    ? pairwise(samples, [of, to], (a, b) => a.wall / b.wall) <= most.ratio
    : pairwise(samples, [of, to], (a, b) => a.wall - b.wall) < most.milliseconds;
}

function formatSection({section, rounds, samples}: Measured): string[] {
  const {title, about, cases, comparisons} = section;
  return [
    `## ${title}`,
    '',
    `${about} Medians of ${rounds} rounds.`,
    '',
    ...table(
      ['', 'wall, ms', 'CPU, ms'],
      cases.map(({name, hasCpu = true}) => {
        const all = samples.get(name) ?? [];
        const cpu = hasCpu ? number(median(all.map((sample) => sample.cpu))) : '';
        return [name, number(median(all.map(({wall}) => wall))), cpu];
      }),
    ),
    '',
    ...table(
      ['', 'wall', 'CPU', 'wall, ms more', 'promised'],
      comparisons.map((comparison) => {
        const pair = [comparison.of, comparison.to] as const;
        const hasCpu = cases.every(({name, hasCpu: has = true}) => has || !pair.includes(name));
        return [
          `${comparison.of} : ${comparison.to}`,
          pairwise(samples, pair, (a, b) => a.wall / b.wall).toFixed(2),
          hasCpu ? pairwise(samples, pair, (a, b) => a.cpu / b.cpu).toFixed(2) : '',
          number(pairwise(samples, pair, (a, b) => a.wall - b.wall)),
          promise(samples, comparison),
        ];
      }),
    ),
    '',
  ];
}

function promise(samples: Samples, comparison: Comparison): string {
  const {most} = comparison;
  if (most === undefined) return '';
  const limit =
    'ratio' in most ? `at most ${most.ratio.toFixed(2)}` : `less than ${most.milliseconds} ms more`;
  return `${limit}: ${holds(samples, comparison) === true ? 'holds' : '**does not hold**'}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '--:'))), ...rows.map(line)];
}

function number(milliseconds: number): string {
  return milliseconds.toFixed(Math.abs(milliseconds) < 20 ? 1 : 0);
}
