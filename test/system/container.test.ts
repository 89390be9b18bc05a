import {afterEach, describe, expect, test} from '@jest/globals';
import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {capabilityMask} from '../../src/sandbox/capabilities.ts';
import {engine, startLine} from '../../src/system/container.ts';
import {isOfBuilders, refusalOf} from '../../src/system/refusal.ts';
import {missingIn, wallsIn} from '../../src/system/rights.ts';
import {cleanUp, temporaryDirectory} from '../temporary.ts';

afterEach(cleanUp);

describe('which container this is', () => {
  test.each([
    ['docker', {}, {'.dockerenv': ''}],
    ['podman', {}, {'run/.containerenv': ''}],
    ['podman', {container: 'podman'}, {}],
    ['Kubernetes', {KUBERNETES_SERVICE_HOST: '10.0.0.1'}, {'.dockerenv': ''}],
    ['Kubernetes', {}, {'var/run/secrets/kubernetes.io/serviceaccount/token': '', 'run/.containerenv': ''}],
    ['systemd-nspawn', {}, {'run/host/container-manager': 'systemd-nspawn\n'}],
    ['systemd-nspawn', {}, {'proc/1/environ': 'PATH=/bin\0container=systemd-nspawn\0TERM=linux\0'}],
    [undefined, {}, {'proc/1/environ': 'container=lxc\0'}],
    [undefined, {}, {}],
  ])('%s: %j %j', (expected, environment, files) => {
    const root = temporaryDirectory();
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), {recursive: true});
      writeFileSync(join(root, path), text);
    }
    expect(engine(environment, root)).toBe(expected);
  });
});

describe('the line that helps', () => {
  const all = {capabilities: ['SYS_ADMIN', 'MKNOD'], seccomp: true, appArmor: true, selinux: true};
  const few = {...all, seccomp: false, appArmor: false, selinux: false};

  test.each([
    ['docker', few, 'start it with: docker run --cap-add SYS_ADMIN --cap-add MKNOD …'],
    [
      'podman',
      all,
      'start it with: podman run --cap-add SYS_ADMIN --cap-add MKNOD --security-opt seccomp=unconfined' +
        ' --security-opt apparmor=unconfined --security-opt label=disable …',
    ],
    [
      'Kubernetes',
      all,
      'give the container in its pod: securityContext: {capabilities: {add: [SYS_ADMIN, MKNOD]},' +
        ' seccompProfile: {type: Unconfined}, appArmorProfile: {type: Unconfined}}',
    ],
    ['systemd-nspawn', all, 'start it with: systemd-nspawn --capability=CAP_SYS_ADMIN,CAP_MKNOD …'],
    [
      undefined,
      few,
      'a container is started with: docker run --cap-add SYS_ADMIN --cap-add MKNOD … (podman alike),' +
        ' or in Kubernetes with securityContext: {capabilities: {add: [SYS_ADMIN, MKNOD]}}',
    ],
  ] as const)('%s', (kind, wanted, line) => {
    expect(startLine(kind, wanted)).toBe(line);
  });
});

describe('what a process is kept in by', () => {
  const none = {seccomp: false, appArmor: undefined, selinux: undefined};

  test.each([
    ['Seccomp:\t0\n', '', none],
    ['Seccomp:\t2\n', 'unconfined\n', {...none, seccomp: true}],
    ['', 'docker-default (enforce)\n', {...none, appArmor: 'docker-default'}],
    ['', 'cri-containerd.apparmor.d (enforce)\n', {...none, appArmor: 'cri-containerd.apparmor.d'}],
    ['', 'some-profile (complain)\n', none],
    ['', 'system_u:system_r:container_t:s0:c57,c830\0', {...none, selinux: 'container_t'}],
    ['', 'unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023\0', none],
    ['', 'system_u:system_r:spc_t:s0\0', none],
  ])('%j %j', (status, label, walls) => {
    expect(wallsIn(status, label)).toEqual(walls);
  });

  test('capabilities: those that it lacks now, or in what it starts', () => {
    const digits = (mask: bigint): string => mask.toString(16).padStart(16, '0');
    const status = (effective: bigint, bounding: bigint): string =>
      `CapPrm:\t${digits(0n)}\nCapEff:\t${digits(effective)}\nCapBnd:\t${digits(bounding)}\nCapAmb:\t${digits(0n)}\n`;
    const all = (1n << 41n) - 1n;
    expect(missingIn(status(all, all))).toEqual([]);
    expect(missingIn(status(all, all & ~capabilityMask(['SYS_ADMIN', 'SYSLOG'])))).toEqual(['SYS_ADMIN']);
    expect(missingIn(status(all & ~capabilityMask(['SETFCAP']), all))).toEqual(['SETFCAP']);
    expect(missingIn('')).toEqual([]);
  });
});

describe('a program’s complaint', () => {
  test.each([
    ['unshare: unshare failed: Operation not permitted\n', true],
    ['setpriv: setgroups failed: Operation not permitted\n', true],
    ['bwrap: loopback: Failed RTM_NEWADDR: No child processes\n', true],
    ['bwrap: pivot_root: Operation not permitted\n', true],
    ['mount: /a: permission denied.\n       dmesg(1) may have more information.\n', true],
    ['mount: /a: cannot mount /b read-only.\n', true],
    ["cp: failed to preserve ownership for 'a': Invalid argument\n", true],
    ['mount: /a: wrong fs type, bad option, bad superblock on overlay.\n', false],
    ["cp: cannot stat 'a': No such file or directory\n", false],
    ['bwrap: execvp tar: No such file or directory\n', false],
  ])('%j: a refusal %j', (complaint, isRefusal) => {
    const error = refusalOf('it failed', complaint);
    expect(error === undefined).toBe(!isRefusal);
    if (error !== undefined) expect(error.code).toBe('NOT_PERMITTED');
  });

  test('of what comes before the program that was meant', () => {
    expect(isOfBuilders('bwrap: pivot_root: Operation not permitted\n')).toBe(true);
    expect(isOfBuilders('tar: ./a: Cannot open: Permission denied\n')).toBe(false);
  });
});
