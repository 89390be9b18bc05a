/** Device nodes that work in the root, and those that do not. */
import {expect, test} from '@jest/globals';
import {mountsOf} from '../../src/system/mounts.ts';
import {temporaryDirectory} from '../temporary.ts';
import {end, runIn, sandbox, sh, start, upperOf} from './sandbox.ts';
import {spawnSync} from 'node:child_process';
import {join} from 'node:path';

const deviceNodes = true;
const ORDINARY = ['null 1 3', 'zero 1 5', 'full 1 7', 'random 1 8', 'urandom 1 9'];

test('what debootstrap makes works', async () => {
  const script = `cd /srv; make() { mknod -m 666 $1 c $2 $3 || echo "no $1"; }
    ${[...ORDINARY, 'tty 5 0', 'console 5 1', 'ptmx 5 2'].map((words) => `make ${words}`).join('\n')}
    echo lost >null && cat null && head -c 1 zero | od -An -tx1 && head -c 8 urandom | wc -c`;
  expect((await runIn(sh(script), {deviceNodes})).stdout).toBe(' 00\n8\n');
});

test('the host does not: neither its disks and memory, nor on a volume', async () => {
  const volume = temporaryDirectory();
  const script = `for d in "b 254 0" "b 7 0" "c 1 1" "c 1 11" "c 10 229" "c 4 0"; do
      rm -f /srv/d; mknod /srv/d $d 2>/dev/null && (: </srv/d) 2>/dev/null && echo "opened $d"
    done; mknod /v/null c 1 3; (: >/v/null) 2>/dev/null && echo volume; echo tried`;
  const volumes = [{source: volume, target: '/v', readOnly: false}];
  expect((await runIn(sh(script), {deviceNodes, volumes})).stdout).toBe('tried\n');
});

const isControlled = mountsOf().some(({type, options}) => type === 'cgroup' && options.includes('devices'));

(isControlled ? test : test.skip)('nor by nodes that the root brings, nor its console', async () => {
  const spec = await sandbox(
    sh('for d in disk console; do (: </srv/$d) 2>/dev/null && echo "opened $d"; done; ls /srv'),
    {deviceNodes},
  );
  for (const words of [
    ['disk', 'b', '7', '0'],
    ['console', 'c', '5', '1'],
  ] as const) {
    const [name, ...device] = words;
    spawnSync('mkdir', ['-p', join(upperOf(spec), 'srv')]);
    spawnSync('mknod', [join(upperOf(spec), 'srv', name), ...device]);
  }
  expect((await end(start(spec))).stdout).toBe('console\ndisk\n');
});
