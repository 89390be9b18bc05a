// Power cuts under load, as many as you like, and what is left after each:
//   npm run power-cut -- [--images N] [--seed S] [--seconds T] [--only NUMBER]... [--directory D] [zfs|overlay]...
//     --images     how many cuts for each driver (default: 100)
//     --seed       which cuts; with the same log it gives the same disks
//     --seconds    how long commits are made before the power is cut (default: 120)
//     --only       only the cut of this number
//     --directory  where the log is kept; one that is there already is used again
// Ends with 1 when a cut did harm.
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {cutPower, type CutResult} from '../test/vm/power-cut/power-cut.ts';
import {DRIVERS, type Driver} from '../test/vm/power-cut/drivers.ts';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    images: {type: 'string', default: '100'},
    seed: {type: 'string', default: `${Math.floor(Math.random() * 1e6)}`},
    seconds: {type: 'string', default: '120'},
    only: {type: 'string', multiple: true},
    directory: {type: 'string'},
  },
});
const unknown = positionals.find((name) => !(DRIVERS as readonly string[]).includes(name));
if (unknown !== undefined) throw new Error(`no power is cut for the driver ${unknown}`);
const drivers = positionals.length === 0 ? DRIVERS : (positionals as Driver[]);
const cuts = values.only?.map(Number) ?? Array.from({length: Number(values.images)}, (_, number) => number);
const directory = resolve(
  values.directory ?? mkdtempSync(join(process.env['TMPDIR'] ?? '/var/tmp', 'chrootctl-power-cut-')),
);
mkdirSync(directory, {recursive: true});

const results = await Promise.all(
  drivers.map(async (driver) => {
    const result = await cutPower({
      driver,
      cuts,
      directory,
      seed: Number(values.seed),
      seconds: Number(values.seconds),
      onProgress: (line) => console.error(`${driver}: ${line}`),
    });
    return {driver, result};
  }),
);
console.table(Object.fromEntries(results.map(({driver, result}) => [driver, figures(result)])));
const failed = results.flatMap(({driver, result}) =>
  result.cuts.filter(({problems}) => problems.length > 0).map((cut) => ({driver, ...cut})),
);
for (const {driver, number, cut, problems} of failed) {
  console.error(`${driver}, cut ${number} (before entry ${cut} of the log):\n  ${problems.join('\n  ')}`);
  console.error(
    `  again: npm run power-cut -- --directory ${directory} --seed ${values.seed} --only ${number} ${driver}`,
  );
}
if (failed.length > 0) process.exitCode = 1;
else if (values.directory === undefined) rmSync(directory, {recursive: true});

function figures({entries, flushes, acknowledged, cuts}: CutResult): Record<string, string | number> {
  const sum = (count: (cut: (typeof cuts)[number]) => number): number =>
    cuts.reduce((total, cut) => total + count(cut), 0);
  return {
    images: cuts.length,
    'log entries': entries,
    flushes,
    'cut points': new Set(cuts.map(({cut}) => cut)).size,
    'writes lost': sum(({lost}) => lost),
    'writes torn': sum(({torn}) => torn),
    'unflushed writes kept': sum(({survivors}) => survivors.length),
    'commits acknowledged': acknowledged,
    'latest old': sum(({old}) => old),
    'latest new': sum((cut) => cut.new),
    'mended by doctor': sum(({mended}) => mended.length),
    failed: cuts.filter(({problems}) => problems.length > 0).length,
  };
}
