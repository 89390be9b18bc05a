// Before the suite: the program as packages have it, for the tests to run, unless CHROOTCTL_TEST_PROGRAM names another one
// (bin/chrootctl is the checkout's, on Node).
import {execFileSync} from 'node:child_process';

export default function setUp() {
  process.env['CHROOTCTL_TEST_PROGRAM'] ??= execFileSync(process.execPath, ['scripts/program.ts'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}
