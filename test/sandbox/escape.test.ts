/** Ways out that have worked elsewhere, tried for real by root inside. */
import {afterAll, beforeAll, describe, expect, test} from '@jest/globals';
import {spawn, type ChildProcess} from 'node:child_process';
import {statSync} from 'node:fs';
import {capabilityMask, DEFAULT_CAPABILITIES} from '../../src/sandbox/capabilities.ts';
import {runIn, sh} from './sandbox.ts';

/** System call numbers, for perl's syscall(). */
const CALLS =
  process.arch === 'x64'
    ? {
        ...{ptrace: 101, openByHandleAt: 304, keyctl: 250, bpf: 321, unshare: 272, clone: 56, setns: 308},
        ...{syslog: 103, kcmp: 312, fanotifyInit: 300, personality: 135, perfEventOpen: 298},
      }
    : {
        ...{ptrace: 117, openByHandleAt: 265, keyctl: 219, bpf: 280, unshare: 97, clone: 220, setns: 268},
        ...{syslog: 116, kcmp: 272, fanotifyInit: 262, personality: 92, perfEventOpen: 241},
      };

const perl = (script: string) => ['perl', '-e', script];
/** Prints `name=errno` of a system call that must fail. */
const call = (name: string, expression: string) =>
  `$r = ${expression}; print "${name}=", ($r == -1 ? $!+0 : "ok"), "\\n";`;

const EPERM = '1';
const ESRCH = '3';
const ENOSYS = '38';
const EAFNOSUPPORT = '97';

let bystander: ChildProcess;
beforeAll(() => {
  bystander = spawn('sleep', ['4242']);
});
afterAll(() => {
  bystander.kill('SIGKILL');
});

async function output(command: string[], changes: Parameters<typeof runIn>[1] = {}): Promise<string> {
  const {stdout, stderr} = await runIn(command, changes);
  return stdout + stderr;
}

test('a second chroot ends at the root, not above it', async () => {
  const script = `mkdir "/tmp/jail"; chroot "/tmp/jail" or die "chroot: $!"; chdir ".." for 1..64; chroot "." or die;
    print -e "/proc/1/status" ? "back in the root\\n" : "lost\\n"; print join(" ", grep { -e "/$_" } "upper", "work", "newroot", "oldroot"), "\\n"`;
  expect(await output(perl(script))).toBe('back in the root\n\n');
});

test('the processes of the host are not there', async () => {
  const pids = (await output(sh('cd /proc; echo [0-9]*'))).trim().split(' ').map(Number);
  expect(pids.length).toBeLessThan(6);
  expect(
    await output(
      sh(`kill -0 ${bystander.pid ?? 0} 2>/dev/null && echo seen; ls -d /proc/${bystander.pid ?? 0}`),
    ),
  ).not.toMatch(/seen|^\/proc/m);
});

test('no process inside shows another root, or has more capabilities than the command', async () => {
  const seen = await output(
    sh(
      'for p in /proc/[0-9]*; do stat -L -c %d:%i $p/root $p/cwd; grep CapPrm $p/status; ls -l $p/fd | grep -c " /"; done | sort -u; stat -c %d:%i / ',
    ),
  );
  const roots = seen.match(/^\d+:\d+$/gm) ?? [];
  expect(roots.length).toBeGreaterThan(1);
  expect(new Set(roots).size).toBe(1);
  for (const [, held = ''] of seen.matchAll(/^CapPrm:\s*(\w+)$/gm)) {
    expect(BigInt(`0x${held}`) & ~capabilityMask(DEFAULT_CAPABILITIES)).toBe(0n);
  }
  const {dev, ino} = statSync('/');
  expect(roots).not.toContain(`${dev}:${ino}`);
});

test('devices of the host can be made but not opened', async () => {
  expect(
    await output(
      sh(
        'mknod /tmp/d b 254 0; mknod /tmp/e b 7 0; mknod /tmp/m c 1 1; for f in d e m; do head -c1 /tmp/$f; done',
      ),
    ),
  ).toMatch(/^(?:head: .*: Permission denied\n){3}$/);
});

test('nothing can be mounted, remounted or unmounted', async () => {
  const {stdout} = await runIn(
    sh(`try() { "$@" >/dev/null 2>&1 && echo "worked: $*"; }
      try mount -t tmpfs x /mnt; try mount -t proc x /mnt; try mount --bind / /mnt; try mount -o remount,rw /; try mount -o remount,rw /sys
      try mount -o remount,dev,suid /; try umount /proc; try umount -l /; try umount /sys; try pivot_root / /mnt
      try mount --make-shared /; echo tried`),
  );
  expect(stdout).toBe('tried\n');
});

test('no namespace can be made or entered', async () => {
  const {stdout} = await runIn(
    sh(`try() { "$@" >/dev/null 2>&1 && echo "worked: $*"; }
      for n in --mount --user --pid --net --uts --ipc --cgroup "--user --map-root-user --mount"; do try unshare $n true; done
      for n in mnt pid net uts ipc user; do try nsenter --target 1 --$n true; done; echo tried`),
    {user: 'root'},
  );
  // Entering the own user or mount namespace again needs what nobody here has.
  expect(stdout).toBe('tried\n');
  const NEWUSER = 0x10000000;
  const unprivileged = perl(
    call('unshare', `syscall(${CALLS.unshare}, ${NEWUSER})`) +
      call('clone', `syscall(${CALLS.clone}, ${NEWUSER} | 17, 0, 0, 0, 0)`),
  );
  expect(await output(unprivileged, {user: '1000'})).toBe(`unshare=${EPERM}\nclone=${EPERM}\n`);
});

test('no process outside can be traced', async () => {
  const ATTACH = 16;
  const pid = bystander.pid ?? 0;
  expect(await output(perl(call('host', `syscall(${CALLS.ptrace}, ${ATTACH}, ${pid}, 0, 0)`)))).toBe(
    `host=${ESRCH}\n`,
  );
});

describe('the system call filter', () => {
  test('files by handle, keyrings, bpf, typing into the terminal', async () => {
    const script =
      call('handle', `syscall(${CALLS.openByHandleAt}, -100, 0, 0)`) +
      call('keyctl', `syscall(${CALLS.keyctl}, 0, -3, 0)`) +
      call('bpf', `syscall(${CALLS.bpf}, 0, 0, 0)`) +
      '$x = "x"; $r = ioctl(STDIN, 0x5412, $x); print "tiocsti=", defined $r ? "ok" : $!+0, "\\n";';
    expect(await output(perl(script))).toBe(
      `handle=${EPERM}\nkeyctl=${EPERM}\nbpf=${EPERM}\ntiocsti=${EPERM}\n`,
    );
  });

  // Most of these are allowed to everybody where there is no filter.
  test.each([
    ['root', {}],
    ['another user', {user: '1000'}],
  ])('what a build has no use for, as %s', async (_, changes) => {
    const script =
      'my $zeros = "\\0" x 128; my $slash = "/"; pipe my $r, my $w;' +
      call('io_uring_setup', 'syscall(425, 1, $zeros)') +
      call('fsopen', 'syscall(430, $slash, 0)') +
      call('open_tree', 'syscall(428, -100, $slash, 0)') +
      call('pidfd_getfd', 'syscall(438, syscall(434, $$+0, 0), 0, 0)') +
      call('kcmp', `syscall(${CALLS.kcmp}, $$+0, $$+0, 1, 0, 0)`) +
      call('fanotify_init', `syscall(${CALLS.fanotifyInit}, 0x200, 0)`) +
      call('setns', `syscall(${CALLS.setns}, fileno $r, 0)`) +
      call('syslog', `syscall(${CALLS.syslog}, 10, 0, 0)`) +
      call('perf_event_open', `syscall(${CALLS.perfEventOpen}, $zeros, 0, -1, -1, 0)`) +
      call('first page', `syscall(${CALLS.personality}, 0x100000)`) +
      call('clone3', 'syscall(435, $zeros, 64)') +
      call('lsm_list_modules', 'syscall(461, $zeros, $zeros, 0)') +
      call('unknown', 'syscall(999)');
    expect((await output(perl(script), changes)).split('\n')).toEqual(
      [
        ...['io_uring_setup', 'fsopen', 'open_tree', 'pidfd_getfd', 'kcmp', 'fanotify_init', 'setns'],
        ...['syslog', 'perf_event_open', 'first page'],
      ]
        .map((name) => `${name}=${EPERM}`)
        .concat([`clone3=${ENOSYS}`, `lsm_list_modules=${ENOSYS}`, `unknown=${ENOSYS}`, '']),
    );
  });

  test.each(['none', 'host'] as const)('no way to the hypervisor with the network %s', async (network) => {
    const script = ['AF_VSOCK=40', 'AF_ALG=38']
      .map((family) => family.split('='))
      .map(([name = '', number = '']) => call(name, `socket(S, ${number}, 1, 0) ? 0 : -1`))
      .join('');
    for (const user of ['root', '1000']) {
      expect(await output(perl(script), {network, user})).toBe(
        `AF_VSOCK=${EAFNOSUPPORT}\nAF_ALG=${EAFNOSUPPORT}\n`,
      );
    }
  });

  (process.arch === 'x64' ? test : test.skip)('the numbers of x32 are no way around it', async () => {
    expect(await output(perl(call('x32', `syscall(0x40000000 | ${CALLS.keyctl}, 0, -3, 0)`)))).toBe(
      `x32=${EPERM}\n`,
    );
  });

  describe('what it lets builds do', () => {
    test('trace a process of their own, say what machine it is, and where addresses are', async () => {
      const [TRACEME, CONTINUE, GETREGSET] = [0, 7, 0x4204];
      const trace = `$pid = fork; if (!$pid) { syscall(${CALLS.ptrace}, ${TRACEME}, 0, 0, 0); kill "STOP", $$; exit 7 }
        waitpid $pid, 2; $registers = "\\0" x 1024; $vector = pack "PQ", $registers, 1024;
        print syscall(${CALLS.ptrace}, ${GETREGSET}, $pid, 1, $vector), "\\n";
        syscall(${CALLS.ptrace}, ${CONTINUE}, $pid, 0, 0); waitpid $pid, 0; print $? >> 8, "\\n"`;
      expect(await output(perl(trace), {user: '1000'})).toBe('0\n7\n');
      expect(await output(sh('setarch -R cat /proc/self/personality; setarch -RX true && echo fine'))).toBe(
        '00040000\nfine\n',
      );
      if (process.arch === 'x64') expect(await output(['linux32', 'uname', '-m'])).toBe('i686\n');
    });

    test('mount and make namespaces where SYS_ADMIN is granted', async () => {
      const script = `unshare --mount sh -c 'mount -t tmpfs tmpfs /mnt && touch /mnt/x && ls /mnt && umount /mnt'
        unshare --user --map-root-user id -u; unshare --uts sh -c 'hostname inside && hostname'`;
      const capabilities = {add: ['SYS_ADMIN'], drop: []};
      expect(await output(sh(script), {capabilities})).toBe('x\n0\ninside\n');
    });
  });
});

test('the kernel cannot be told anything', async () => {
  // Each file is given what it holds already, and the system request key only asked for help: harmless if it works.
  const {stdout} = await runIn(
    sh(`for f in kernel/core_pattern kernel/modprobe kernel/hostname vm/swappiness fs/file-max; do
        v=$(cat /proc/sys/$f) && (echo "$v" >/proc/sys/$f) 2>/dev/null && echo "wrote $f"
      done
      (echo h >/proc/sysrq-trigger) 2>/dev/null && echo "wrote sysrq-trigger"
      echo tried`),
  );
  expect(stdout).toBe('tried\n');
});

test('what docker masks is empty', async () => {
  const {stdout} = await runIn(
    sh(
      'for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/latency_stats; do [ -e $f ] && head -c 10 $f; done; for d in /proc/acpi /proc/scsi /sys/firmware; do [ -e $d ] && ls -A $d; done; echo end',
    ),
  );
  expect(stdout).toBe('end\n');
});
