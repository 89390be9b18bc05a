/** Runs test files in a guest with a pool. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {bundle, bundledName, REPORTER, translateStack} from './bundle.ts';
import {runGuest} from './guest.ts';
import type {Report} from './harness/report.ts';
import {Results, type SuiteResult} from './results.ts';
import {withWork} from './work.ts';

export interface Selection {
  /** Test files, and what they start as processes of their own. Paths in the checkout. */
  suites: readonly string[];
  programs: readonly string[];
  /** A regular expression; other tests are left out. */
  titles?: string | undefined;
  /** Called with each line that a suite prints and with each test that has ended. */
  onProgress?: ((line: string) => void) | undefined;
}

/** Bytes: the disk of the pool, and one for suites that make a pool of their own. */
const DISKS = [2 ** 32, 2 ** 30];

/** Milliseconds: several times what all suites take. */
const TIMEOUT = 40 * 60_000;

/** Seconds. */
const SUITE_TIMEOUT = 20 * 60;

/** The results of all suites, whatever happens in the guest. */
export async function runSuites(selection: Selection): Promise<SuiteResult[]> {
  const {suites, programs, onProgress} = selection;
  return withWork(async (work) => {
    await bundle(suites, programs, work);
    writeFileSync(join(work, 'run.sh'), script(selection));
    const results = new Results();
    const failure = await failureOf(
      runGuest({
        work,
        disks: DISKS.map((size) => ({size})),
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
    return results.of(suites, failure);
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

function script({suites, titles}: Selection): string {
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
    'export NODE_COMPILE_CACHE=/tmp/compiled',
    ...suites.flatMap((suite) => [
      `echo ${quote(JSON.stringify({event: 'suite begins', suite} satisfies Report))} >&3`,
      'code=0',
      `timeout -k 10 ${SUITE_TIMEOUT} node ${options.join(' ')} ${quote(bundledName(suite))} || code=$?`,
      `echo "{\\"event\\":\\"suite ends\\",\\"code\\":$code}" >&3`,
    ]),
    '',
  ].join('\n');
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
