/**
 * Runs a shell script in a guest: `npm run guest -- 'zpool status'`, or the path of a file. There is a pool `tank` on
 * /dev/vdc, unless `--no-pool`, and chrootctl is on PATH. `--disk FILE` keeps what is on /dev/vdc, for the next guest.
 */
import {existsSync, readFileSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {runGuest} from './guest.ts';
import {withWork} from './work.ts';

/** Bytes. */
const DISK = 2 ** 32;

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    disk: {type: 'string'},
    memory: {type: 'string', default: '2048'},
    'no-pool': {type: 'boolean', default: false},
    timeout: {type: 'string', default: '600'},
  },
});
const script = positionals.map((word) => (existsSync(word) ? readFileSync(word, 'utf8') : word)).join('\n');
if (values.disk !== undefined && !existsSync(values.disk)) {
  writeFileSync(values.disk, '');
  truncateSync(values.disk, DISK);
}

process.exitCode = await withWork((work) => {
  writeFileSync(join(work, 'script'), script);
  const pool = values['no-pool']
    ? ''
    : 'zpool import -N tank 2>/dev/null || zpool create -O mountpoint=none tank /dev/vdc\n';
  writeFileSync(join(work, 'run.sh'), `${pool}PATH=/run/work/bin:$PATH exec bash ./script\n`);
  return runGuest({
    work,
    disks: [values.disk ?? {size: DISK}],
    memory: Number(values.memory),
    timeout: Number(values.timeout) * 1000,
    onLine: (line) => console.log(line),
    onReport: (line) => console.log(line),
  });
});
