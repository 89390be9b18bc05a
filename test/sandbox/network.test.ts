import {describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {createServer} from 'node:net';
import {linkSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {end, runIn, sandbox, sh, start, upperOf} from './sandbox.ts';

const CONNECT = (port: number) => [
  'perl',
  '-MSocket',
  '-e',
  `socket(S, PF_INET, SOCK_STREAM, 0); print connect(S, sockaddr_in(${port}, inet_aton("127.0.0.1"))) ? "reached" : "no: $!"`,
];

/** A listener on the host's own loopback while `work` runs. */
async function withListener<T>(work: (port: number) => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  try {
    return await work(typeof address === 'object' ? (address?.port ?? 0) : 0);
  } finally {
    server.close();
  }
}

describe('none', () => {
  test('there is only lo, in /proc and in /sys', async () => {
    const {stdout} = await runIn(sh('ls /sys/class/net; tail -n +3 /proc/net/dev | cut -d: -f1'), {
      network: 'none',
    });
    expect(stdout.replace(/ /g, '')).toBe('lo\nlo\n');
  });

  test('the host cannot be reached, its own loopback can', async () => {
    await withListener(async (port) => {
      expect((await runIn(CONNECT(port), {network: 'none'})).stdout).toMatch(/^no: Connection refused/);
      expect((await runIn(CONNECT(port), {network: 'host'})).stdout).toBe('reached');
    });
  });

  test('localhost has a name, and an own /etc/hosts stays', async () => {
    expect((await runIn(sh('getent hosts localhost'), {network: 'none'})).stdout).toMatch(/localhost/);
    const spec = await sandbox(['cat', '/etc/hosts'], {network: 'none'});
    mkdirSync(join(upperOf(spec), 'etc'));
    writeFileSync(join(upperOf(spec), 'etc/hosts'), '127.0.0.1 localhost own\n');
    expect((await end(start(spec))).stdout).toBe(`127.0.0.1 localhost own\n127.0.1.1\t${hostname()}\n`);
  });
});

describe('host', () => {
  const hosts = readFileSync('/etc/resolv.conf', 'utf8');

  test.each<[string, (etc: string) => void]>([
    ['missing', () => undefined],
    ['a file', (etc) => writeFileSync(join(etc, 'resolv.conf'), 'nameserver 192.0.2.1\n')],
    [
      'an absolute link to nothing',
      (etc) => symlinkSync('/run/nobody/made/this.conf', join(etc, 'resolv.conf')),
    ],
    ['a link that climbs', (etc) => symlinkSync('../../../../../tmp/own.conf', join(etc, 'resolv.conf'))],
    [
      'a link to the host-like place',
      (etc) => symlinkSync('/etc/resolv.conf.real', join(etc, 'resolv.conf')),
    ],
  ])("resolv.conf is the host's where the root has %s", async (_, prepare) => {
    const spec = await sandbox(
      sh(
        'cat /etc/resolv.conf; echo x >>/etc/resolv.conf; tail -n 1 /etc/resolv.conf; stat -L -c %a /etc/resolv.conf',
      ),
    );
    const etc = join(upperOf(spec), 'etc');
    mkdirSync(etc);
    prepare(etc);
    expect((await end(start(spec))).stdout).toBe(`${hosts}x\n644\n`);
  });

  test('localhost has a name', async () => {
    expect((await runIn(sh('getent hosts localhost'))).code).toBe(0);
  });

  test('a program finds the name that it has, whatever that is', async () => {
    const {stdout} = await runIn(sh('getent hosts there | cut -d" " -f1; cat /etc/hostname'), {
      hostname: 'there',
    });
    expect(stdout).toBe('127.0.1.1\nthere\n');
  });

  test.each([
    ['a link to itself', (etc: string) => symlinkSync('hosts', join(etc, 'hosts'))],
    ['a directory', (etc: string) => mkdirSync(join(etc, 'hosts'))],
    ['a FIFO', (etc: string) => execFileSync('mkfifo', [join(etc, 'hosts')])],
    ['a device', (etc: string) => execFileSync('mknod', [join(etc, 'hosts'), 'c', '1', '7'])],
    [
      'one of two names of a file',
      (etc: string) => {
        writeFileSync(join(etc, 'two'), 'two\n');
        linkSync(join(etc, 'two'), join(etc, 'hosts'));
      },
    ],
  ])('a root in which /etc/hosts is %s runs, and what else has that name stays', async (_, prepare) => {
    const spec = await sandbox(sh('test ! -e /etc/two || cat /etc/two; echo ran'));
    const etc = join(upperOf(spec), 'etc');
    mkdirSync(etc);
    prepare(etc);
    expect((await end(start(spec))).stdout).toMatch(/^(two\n)?ran\n$/);
  });

  test('the host keeps its files', async () => {
    const before = statSync('/etc/resolv.conf').mtimeMs;
    await runIn(sh('rm -f /etc/resolv.conf; echo x >/etc/resolv.conf'));
    expect(statSync('/etc/resolv.conf').mtimeMs).toBe(before);
    expect(readFileSync('/etc/resolv.conf', 'utf8')).toBe(hosts);
  });
});
