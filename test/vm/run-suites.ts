/** Runs test files in guests with a pool. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {bundle, bundledName, REPORTER, translateStack} from './bundle.ts';
import {runGuest} from './guest.ts';
import type {Report} from './harness/report.ts';
import {Results, type SuiteResult} from './results.ts';
import type {Suite} from './suites.ts';
import {withWork} from './work.ts';

export interface Selection {
  suites: readonly Suite[];
  /** What the suites start as processes of their own. Paths in the checkout. */
  programs: readonly string[];
  /** A regular expression, in place of the suites' own; other tests are left out. */
  titles?: string | undefined;
  /** Called with each line that a suite prints and with each test that has ended. */
  onProgress?: ((line: string) => void) | undefined;
}

/** Bytes: the disk of the pool, and one for suites that make a pool of their own. */
const DISKS = [2 ** 32, 2 ** 30];

/** Milliseconds: several times what the longest suite takes. */
const TIMEOUT = 25 * 60_000;

/** Seconds. */
const SUITE_TIMEOUT = 20 * 60;

/** Guests at a time. Their tests mostly wait for one program after another, so that one processor each is enough. */
const GUESTS = 2;

/** The results of all suites in their order, whatever happens in the guests. */
export async function runSuites(selection: Selection): Promise<SuiteResult[]> {
  const results = new Map<Suite, SuiteResult>();
  const waiting = [...selection.suites];
  // A guest of its own for each: a long one keeps nobody waiting, and what one breaks is nobody else's trouble.
  const guests = Array.from({length: GUESTS}, async () => {
    for (let suite = waiting.shift(); suite !== undefined; suite = waiting.shift())
      results.set(suite, await runSuite(suite, selection));
  });
  await Promise.all(guests);
  return selection.suites.flatMap((suite) => results.get(suite) ?? []);
}

async function runSuite(suite: Suite, {programs, titles, onProgress}: Selection): Promise<SuiteResult> {
  return withWork(async (work) => {
    await bundle([suite.path], programs, work);
    writeFileSync(join(work, 'run.sh'), script({path: suite.path, titles: titles ?? suite.titles}));
    const results = new Results(suite.path);
    const failure = await failureOf(
      runGuest({
        work,
        disks: DISKS.map((size) => ({size})),
        processors: 1,
        timeout: TIMEOUT,
        onLine: (line) => {
          results.print(line);
          onProgress?.(line);
        },
        onReport: (line) => {
          const report = JSON.parse(line) as Report;
          if ('error' in report) report.error = translateStack(report.error, work);
          results.add(report);
          if (report.event === 'test ends')
            onProgress?.(
              `${report.outcome} after ${(report.milliseconds / 1000).toFixed(1)} s: ${report.title}`,
            );
        },
      }),
    );
    return results.result(failure);
  });
}

async function failureOf(guest: Promise<number>): Promise<string | undefined> {
  try {
    const code = await guest;
    return code === 0 ? undefined : `the guest's script ended with exit code ${code}`;
  } catch (error) {
    return (error as Error).message;
  }
}

function script({path, titles}: Suite): string {
  const options = [
    '--test-force-exit',
    `--test-reporter=./${REPORTER}`,
    '--test-reporter-destination=stdout',
    ...(titles === undefined ? [] : [`--test-name-pattern=${titles}`]),
  ].map(quote);
  return [
    'set -e',
    'zpool create -O mountpoint=none tank /dev/vdc',
    'export CHROOTCTL_TEST_POOL=tank CHROOTCTL_TEST_DISK=/dev/vdd CHROOTCTL_TEST_DRIVERS=zfs',
    'export NODE_COMPILE_CACHE=/tmp/compiled CHROOTCTL_TEST_SLOWNESS=10',
    'code=0',
    `timeout -k 10 ${SUITE_TIMEOUT} node ${options.join(' ')} ${quote(bundledName(path))} || code=$?`,
    `echo "{\\"event\\":\\"suite ends\\",\\"code\\":$code}" >&3`,
    '',
  ].join('\n');
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
