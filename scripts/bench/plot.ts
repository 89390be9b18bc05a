/** Bars as an SVG that can be read on a light and on a dark page. */
import {median, type Samples} from './measure.ts';
import type {Section} from './section.ts';
import {number} from './report.ts';

export interface Chart {
  title: string;
  bars: readonly {label: string; value: number}[];
}

/** What a section wants to have drawn, if it does. */
export function chartOf({plot, cases, runs}: Section, samples: Samples): Chart | undefined {
  if (plot === undefined) return undefined;
  const bars = cases.flatMap(({name}) => {
    const all = samples.get(name);
    if (all === undefined) return [];
    const wall = median(all.map((sample) => sample.wall));
    return [{label: name, value: runs === undefined ? wall : (runs * 1000) / wall}];
  });
  return {title: plot.replaceAll('`', ''), bars};
}

// In pixels, before the viewer makes it as wide as there is room.
const [WIDTH, LABELS, FIGURES, TITLE, BAR, GAP, MARGIN] = [720, 160, 60, 34, 18, 8, 12];

const STYLE = `
    text { font: 13px sans-serif; fill: #24292f; }
    .title { font-weight: bold; }
    .label { text-anchor: end; }
    .bar { fill: #8c959f; }
    .ours { fill: #0969da; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .bar { fill: #6e7681; }
      .ours { fill: #58a6ff; }
    }
  `;

/** The charts one below the other. What chrootctl needs has another colour. */
export function drawCharts(charts: readonly Chart[]): string {
  const parts: string[] = [];
  let y = MARGIN;
  for (const {title, bars} of charts) {
    parts.push(`  <text class="title" x="${MARGIN}" y="${y + 14}">${escape(title)}</text>`);
    y += TITLE;
    const most = Math.max(...bars.map(({value}) => value));
    for (const {label, value} of bars) {
      const width = Math.max(1, Math.round(((WIDTH - LABELS - FIGURES) * value) / most));
      const kind = label === 'chrootctl' ? 'bar ours' : 'bar';
      const middle = y + BAR - 5;
      parts.push(
        `  <text class="label" x="${LABELS - 8}" y="${middle}">${escape(label)}</text>`,
        `  <rect class="${kind}" x="${LABELS}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        `  <text x="${LABELS + width + 6}" y="${middle}">${number(value)}</text>`,
      );
      y += BAR + GAP;
    }
    y += MARGIN;
  }
  const words = charts.map(({title}) => title).join('; ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="${escape(words)}">`,
    `  <style>${STYLE}</style>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
