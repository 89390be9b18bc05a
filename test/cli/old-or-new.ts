/**
 * Many runs while others update: every run must see one generation in all files, and no update that was reported as
 * done may be missing from the history.
 */
import {Cli} from './chrootctl.ts';

export interface Load {
  /** At least so long, and until there were so many updates (default: any number). */
  seconds: number;
  updates?: number;
  runners: number;
  updaters: number;
  /** Files that each update writes, one after another. */
  files: number;
}

export interface Outcome {
  runs: number;
  updates: number;
  conflicts: number;
  generations: number;
  /** What went wrong; empty if all is well. */
  problems: string[];
}

interface Version {
  version: string;
  tags: string[];
  parent: string | null;
}

const WRITE = 'i=0; while [ $i -lt $2 ]; do echo $1 > /gen/$i; sleep 0.001; i=$((i+1)); done';
const READ = 'cat /gen/* | sort | uniq -c';

export async function oldOrNew(
  cli: Cli,
  {seconds, updates = 0, runners, updaters, files}: Load,
): Promise<Outcome> {
  const outcome: Outcome = {runs: 0, updates: 0, conflicts: 0, generations: 0, problems: []};
  const committed: string[] = [];
  const seen = new Set<string>();
  await cli.importRoot('gen');
  const first = await cli.call([
    'update',
    'gen',
    '--json',
    '--',
    'sh',
    '-c',
    `mkdir /gen; ${WRITE}`,
    'sh',
    '0',
    `${files}`,
  ]);
  committed.push((JSON.parse(first.stderr) as Version).version);

  const deadline = Date.now() + seconds * 1000;
  const goesOn = (): boolean => Date.now() < deadline || outcome.updates < updates;
  await Promise.all([
    ...Array.from({length: runners}, async () => {
      while (goesOn()) await reader();
    }),
    ...Array.from({length: updaters}, async (_, updater) => {
      for (let n = 1; goesOn(); n++) await writer(`${updater}-${n}`);
    }),
  ]);
  outcome.generations = seen.size;
  await checkHistory();
  const doctor = await cli.call(['doctor']);
  if (doctor.code !== 0) outcome.problems.push(`doctor: ${doctor.stdout}`);
  return outcome;

  async function reader(): Promise<void> {
    const {code, stdout, stderr} = await cli.call(['run', 'gen', '--', 'sh', '-c', READ]);
    outcome.runs++;
    const found = /^ *(\d+) (\S+)\n$/.exec(stdout);
    if (code !== 0) outcome.problems.push(`a run ended with ${code}: ${stderr}`);
    else if (found?.[2] === undefined || Number(found[1]) !== files)
      outcome.problems.push(`a run saw ${stdout}`);
    else seen.add(found[2]);
  }

  async function writer(generation: string): Promise<void> {
    const {code, stderr} = await cli.call([
      'update',
      'gen',
      '--retries',
      '1',
      '--quiet',
      '--json',
      '--',
      'sh',
      '-c',
      WRITE,
      'sh',
      generation,
      `${files}`,
    ]);
    if (code === 0) {
      outcome.updates++;
      committed.push((JSON.parse(stderr) as Version).version);
    } else if (code === 4) outcome.conflicts++;
    else outcome.problems.push(`an update ended with ${code}: ${stderr}`);
  }

  async function checkHistory(): Promise<void> {
    const versions = await cli.json<Version[]>('images', 'gen');
    const parents = new Map(versions.map(({version, parent}) => [version, parent]));
    const line: string[] = [];
    for (
      let at: string | null = versions.find(({tags}) => tags.includes('latest'))?.version ?? null;
      at !== null;
      at = parents.get(at) ?? null
    ) {
      line.push(at);
    }
    const lost = committed.filter((version) => !line.includes(version));
    if (lost.length > 0)
      outcome.problems.push(`reported as done and not in the line of latest: ${lost.join(', ')}`);
    if (line.length !== committed.length + 1) {
      outcome.problems.push(
        `${line.length} versions in line, ${committed.length} updates and an import reported`,
      );
    }
    const moves = (await cli.json<{tag: string; from: string | null; to: string}[]>('history', 'gen')).map(
      ({to}) => to,
    );
    if (moves.join() !== line.join())
      outcome.problems.push('the history tells of other moves than the parents do');
  }
}
