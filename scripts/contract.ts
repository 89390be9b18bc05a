// The contract of the storage drivers, as a table: which test passed on which driver.
//   npm run contract
// Ends with 1 when one failed.
import {spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

interface JestResults {
  success: boolean;
  testResults: {assertionResults: {ancestorTitles: string[]; title: string; status: string}[]}[];
}

const MARKS: Record<string, string> = {passed: '✓', failed: '**✗**', pending: 'skipped'};

const place = mkdtempSync(join(tmpdir(), 'chrootctl-contract-'));
const file = join(place, 'results.json');
try {
  spawnSync(
    'npm',
    ['run', '-s', 'jest', '--', 'test/contract', 'test/vm/zfs', '--json', `--outputFile=${file}`],
    {
      env: {...process.env, CHROOTCTL_VM_SUITES: 'contract'},
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const results = JSON.parse(readFileSync(file, 'utf8')) as JestResults;
  process.stdout.write(tableOf(results));
  if (!results.success) process.exitCode = 1;
} finally {
  rmSync(place, {recursive: true});
}

function tableOf({testResults}: JestResults): string {
  const rows = new Map<string, Map<string, string>>();
  const drivers = new Set<string>();
  for (const {ancestorTitles, title, status} of testResults.flatMap(
    ({assertionResults}) => assertionResults,
  )) {
    // In a guest's report the driver is in the title.
    const [, driver, test] =
      /^the (.*) driver › (.*)$/.exec(
        [...ancestorTitles.slice(-1), title].join(' › ').replace(/^.*\.test\.ts › /, ''),
      ) ?? [];
    if (driver === undefined || test === undefined) continue;
    drivers.add(driver);
    // How many commits there are in a row depends on what a driver costs.
    const name = test.replace(/^\d+ commits/, 'commits');
    rows.set(name, (rows.get(name) ?? new Map<string, string>()).set(driver, MARKS[status] ?? status));
  }
  const columns = [...drivers].sort();
  const lines = [...rows].map(([name, marks]) => [name, ...columns.map((driver) => marks.get(driver) ?? '')]);
  return [['', ...columns], ['---', ...columns.map(() => ':-:')], ...lines]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}
