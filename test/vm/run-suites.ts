/** Runs test files in guests with a pool. */
import {cpSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {bundle, bundledName, REPORTER, translateStack} from './bundle.ts';
import {runGuest} from './guest.ts';
import type {Report} from './harness/report.ts';
import {Results, type SuiteResult} from './results.ts';
import type {Suite} from './suites.ts';
import {CHECKOUT, withWork} from './work.ts';

export interface Selection {
  suites: readonly Suite[];
  /** What the suites start as processes of their own. Paths in the checkout. */
  programs: readonly string[];
  /** What else they need. Paths in the checkout. */
  files?: readonly string[] | undefined;
  /** A regular expression, in place of the suites' own; other tests are left out. */
  titles?: string | undefined;
  /** Called with each line that a suite prints and with each test that has ended. */
  onProgress?: ((line: string) => void) | undefined;
}

/** Bytes: the disk of the pool, and one for suites that make a pool of their own. */
const DISKS = [2 ** 32, 2 ** 30];

/** Milliseconds: several times what all suites take. */
const TIMEOUT = 50 * 60_000;

/** Seconds. */
const SUITE_TIMEOUT = 20 * 60;

/** Guests at a time. Their tests mostly wait for one program after another, so that one processor each is enough. */
const GUESTS = 2;

/** The results of all suites in their order, whatever happens in the guests. */
export async function runSuites(selection: Selection): Promise<SuiteResult[]> {
  return withWork(async (work) => {
    await bundle(
      selection.suites.map(({path}) => path),
      selection.programs,
      work,
    );
    for (const file of selection.files ?? []) cpSync(join(CHECKOUT, file), join(work, file));
    writeFileSync(join(work, 'run.sh'), SCRIPT);
    const results = new Map<Suite, SuiteResult>();
    const waiting = [...selection.suites];
    const guests = Array.from({length: GUESTS}, async () => {
      while (waiting.length > 0) await runGuestFor(waiting, results, work, selection);
    });
    await Promise.all(guests);
    return selection.suites.flatMap((suite) => results.get(suite) ?? []);
  });
}

/** One guest, for as many of the suites that wait as it can run: after one that has failed, the next wants a new one. */
async function runGuestFor(
  waiting: Suite[],
  finished: Map<Suite, SuiteResult>,
  work: string,
  {titles, onProgress}: Selection,
): Promise<void> {
  let current: {suite: Suite; results: Results} | undefined;
  const finish = (failure?: string): void => {
    if (current !== undefined) finished.set(current.suite, current.results.result(failure));
    current = undefined;
  };
  const next = (): Suite | undefined => {
    const suite = waiting.shift();
    if (suite !== undefined) current = {suite, results: new Results(suite.path)};
    return suite;
  };
  // It is for this one: should it never come to ask, that is this one's failure.
  let first = next();
  const failure = await failureOf(
    runGuest({
      work,
      disks: DISKS.map((size) => ({size})),
      processors: 1,
      timeout: TIMEOUT,
      onLine: (line) => {
        current?.results.print(line);
        onProgress?.(line);
      },
      onReport: (line, answer) => {
        const report = JSON.parse(line) as Report;
        if (report.event === 'is free') {
          if (first === undefined) finish();
          const suite = first ?? next();
          first = undefined;
          answer(suite === undefined ? '' : `${bundledName(suite.path)}\t${titles ?? suite.titles ?? ''}`);
          return;
        }
        if ('error' in report) report.error = translateStack(report.error, work);
        current?.results.add(report);
        if (report.event === 'test ends')
          onProgress?.(
            `${report.outcome} after ${(report.milliseconds / 1000).toFixed(1)} s: ${report.title}`,
          );
      },
    }),
  );
  finish(failure);
}

async function failureOf(guest: Promise<number>): Promise<string | undefined> {
  try {
    const code = await guest;
    return code === 0 ? undefined : `the guest's script ended with exit code ${code}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Runs what the host answers, until that is nothing. A suite that leaves something on the pool fails with the guest. */
const SCRIPT = [
  'set -e',
  'export CHROOTCTL_TEST_POOL=tank CHROOTCTL_TEST_DISK=/dev/vdd CHROOTCTL_TEST_DRIVERS=zfs',
  'export NODE_COMPILE_CACHE=/tmp/compiled CHROOTCTL_TEST_SLOWNESS=10',
  "tab=$(printf '\\t')",
  'while :; do',
  '  echo \'{"event":"is free"}\' >&3',
  '  IFS=$tab read -r suite titles <&3',
  '  [ -n "$suite" ] || exit 0',
  '  zpool create -f -O mountpoint=none tank /dev/vdc',
  '  code=0',
  `  timeout -k 10 ${SUITE_TIMEOUT} node --test-force-exit \\`,
  `    --test-reporter=./${REPORTER} --test-reporter-destination=stdout \\`,
  '    ${titles:+"--test-name-pattern=$titles"} "$suite" || code=$?',
  '  echo "{\\"event\\":\\"suite ends\\",\\"code\\":$code}" >&3',
  '  [ "$code" = 0 ] || exit 0',
  '  zpool destroy tank',
  'done',
  '',
].join('\n');
