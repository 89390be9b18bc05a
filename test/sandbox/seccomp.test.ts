/** The system call filter, by what the kernel would answer. */
import {describe, expect, test} from '@jest/globals';
import {ALL_CAPABILITIES, DEFAULT_CAPABILITIES, type Capability} from '../../src/sandbox/capabilities.ts';
import {seccompFilter, type FilterOptions} from '../../src/sandbox/seccomp.ts';

const [PASS, EPERM, ENOSYS, EAFNOSUPPORT] = ['pass', 'EPERM', 'ENOSYS', 'EAFNOSUPPORT'];
const ANSWERS = new Map([
  [0x7fff0000, PASS],
  [0x50001, EPERM],
  [0x50026, ENOSYS],
  [0x50061, EAFNOSUPPORT],
]);

/** AUDIT_ARCH_*, and the processor that calls in this way. */
const ARCHITECTURES = {
  'x86-64': {audit: 0xc000003e, processor: 'x64'},
  i386: {audit: 0x40000003, processor: 'x64'},
  aarch64: {audit: 0xc00000b7, processor: 'arm64'},
  arm: {audit: 0x40000028, processor: 'arm64'},
} as const;
type Architecture = keyof typeof ARCHITECTURES;
const NAMES = Object.keys(ARCHITECTURES) as Architecture[];

type Call = (number: number, ...args: (number | bigint)[]) => string;

/** What is answered on a processor to calls of one of its kinds. */
function kernel(architecture: Architecture, options: Partial<FilterOptions> = {}): Call & {steps: Call} {
  const {audit, processor} = ARCHITECTURES[architecture];
  const filter = seccompFilter({
    capabilities: DEFAULT_CAPABILITIES,
    network: 'none',
    processor,
    ...options,
  })!;
  const call: Call = (number, ...args) => ANSWERS.get(run(filter, audit, number, args).result) ?? '?';
  const steps: Call = (number, ...args) => String(run(filter, audit, number, args).steps);
  return Object.assign(call, {steps});
}

/** A classic BPF machine with the instructions that the filter uses. */
function run(filter: Buffer, audit: number, number: number, args: readonly (number | bigint)[]) {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(audit, 4);
  args.forEach((arg, index) => data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg)), 16 + 8 * index));
  let accumulator = 0;
  for (let pc = 0, steps = 1; pc < filter.length / 8; pc++, steps++) {
    const code = filter.readUInt16LE(pc * 8);
    const [ifTrue, ifFalse, k] = [filter[pc * 8 + 2]!, filter[pc * 8 + 3]!, filter.readUInt32LE(pc * 8 + 4)];
    if (code === 0x20) accumulator = data.readUInt32LE(k);
    else if (code === 0x05) pc += k;
    else if (code === 0x15) pc += accumulator === k ? ifTrue : ifFalse;
    else if (code === 0x35) pc += accumulator >= k ? ifTrue : ifFalse;
    else if (code === 0x45) pc += (accumulator & k) !== 0 ? ifTrue : ifFalse;
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x06) return {result: k, steps};
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error('the program has no end');
}

/** `1 4-6`: 1, 4, 5, 6 */
function numbersOf(ranges: string): number[] {
  return ranges.split(' ').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({length: last - first + 1}, (_, index) => first + index);
  });
}

const times = (count: number, answer: string | undefined) => Array<string | undefined>(count).fill(answer);

/** The number after the last one that is known. */
const UNKNOWN = 472;
const EVERY = numbersOf(`0-${UNKNOWN - 1}`);

/** By the kernel's own numbers: nothing else is refused whatever its arguments are. */
const REFUSED: Record<Architecture, [EPERM: string, ENOSYS: string]> = {
  'x86-64': [
    '103 153 155 163-173 175-176 179 227 246 248-250 256 298 300 304 308 312-313 320-321 323 425-433 438 440 442-443 467 470',
    '134 136 139 156 212 435 459-461',
  ],
  i386: [
    '21-22 25 51-52 74 79 87-88 101 103 110-111 115 121 128-129 131 217 264 283 286-288 294 336 338 342 346 349-350 357 374 404 425-433 438 440 442-443 467 470',
    '62 86 113 134-135 149 166 253 435 459-461',
  ],
  aarch64: [
    '39-41 58 60 89 104-106 112 116 142 161-162 170 217-219 224-225 238 241 262 265 268 272-273 280 282 294 425-433 438 440 442-443 467 470',
    '18 435 459-461',
  ],
  arm: [
    '21 51-52 74 79 87-88 103 111 115 121 128-129 131 218 262 309-311 347 364 367 371 375 378-379 386 388 400-401 404 425-433 438 440 442-443 467 470',
    '62 86 134-135 149 249 435 459-461',
  ],
};

describe.each(NAMES)('%s', (architecture) => {
  const call = kernel(architecture);

  test('every call passes or is refused as the list says', () => {
    const [eperm, enosys] = REFUSED[architecture].map(numbersOf);
    expect(EVERY.filter((number) => call(number) === EPERM)).toEqual(eperm);
    expect(EVERY.filter((number) => call(number) === ENOSYS)).toEqual(enosys);
    expect(EVERY.filter((number) => call(number) === PASS)).toHaveLength(
      UNKNOWN - eperm!.length - enosys!.length,
    );
  });

  test('calls that are younger than the list do not exist', () => {
    for (const number of [UNKNOWN, UNKNOWN + 1, 1000, 0x3fffffff]) expect(call(number)).toBe(ENOSYS);
  });

  test('what a debugger leaves out is left out', () => {
    expect(call(-1)).toBe(PASS);
  });

  test('the calls of most programs take few instructions', () => {
    const most = EVERY.filter((number) => call(number) === PASS).map((number) => Number(call.steps(number)));
    expect(Math.max(...most)).toBeLessThanOrEqual(20);
  });
});

describe('a capability lifts what it is for and nothing else', () => {
  const NAMESPACES = 0x7e020000;

  test.each<[Capability, string]>([
    ['SYS_ADMIN', '103 155 165-166 170-171 179 298 300 308 321 428-433 435 442-443 459-461 467 470'],
    ['SYS_PTRACE', '312 438 440'],
    ['SYS_TIME', '164 227'],
    ['SYS_MODULE', '175-176 313'],
    ['SYS_RAWIO', '172-173'],
    ['SYS_BOOT', '169'],
    ['SYS_PACCT', '163'],
    ['SYS_TTY_CONFIG', '153'],
    ['SYS_NICE', '256'],
    ['SYSLOG', '103'],
    ['BPF', '321'],
    ['PERFMON', '298'],
    ['DAC_READ_SEARCH', '304'],
  ])('%s: %s', (capability, lifted) => {
    const without = kernel('x86-64');
    const held = kernel('x86-64', {capabilities: [...DEFAULT_CAPABILITIES, capability]});
    expect(EVERY.filter((number) => without(number) !== held(number))).toEqual(numbersOf(lifted));
    expect(held(56, NAMESPACES)).toBe(capability === 'SYS_ADMIN' ? PASS : EPERM);
    expect(held(272, NAMESPACES)).toBe(capability === 'SYS_ADMIN' ? PASS : EPERM);
  });

  test('the others lift nothing', () => {
    const lifting =
      /^(?:SYS_(?:ADMIN|PTRACE|TIME|MODULE|RAWIO|BOOT|PACCT|TTY_CONFIG|NICE)|SYSLOG|BPF|PERFMON|DAC_READ_SEARCH)$/;
    const others = ALL_CAPABILITIES.filter((name) => !lifting.test(name));
    for (const architecture of NAMES) {
      const [without, held] = [kernel(architecture), kernel(architecture, {capabilities: others})];
      expect(EVERY.filter((number) => without(number) !== held(number))).toEqual([]);
    }
  });

  test('all of them leave what nothing in a root may', () => {
    const all = kernel('x86-64', {capabilities: ALL_CAPABILITIES});
    expect(EVERY.filter((number) => all(number) !== PASS)).toEqual(
      numbersOf('134 136 139 156 167-168 212 246 248-250 320 323 425-427'),
    );
    expect(all(41, 40)).toBe(EAFNOSUPPORT);
    expect(all(16, 0, 0x5412)).toBe(EPERM);
  });
});

describe('arguments', () => {
  /** ioctl, clone, unshare, personality, socket */
  const CALLS: Record<Architecture, [number, number, number, number, number]> = {
    'x86-64': [16, 56, 272, 135, 41],
    i386: [54, 120, 310, 136, 359],
    aarch64: [29, 220, 97, 92, 198],
    arm: [54, 120, 337, 136, 281],
  };
  const HIGH = 1n << 32n;

  test.each(NAMES)('on %s', (architecture) => {
    const [ioctl, clone, unshare, personality, socket] = CALLS[architecture];
    const call = kernel(architecture, {network: 'host'});
    const answers = (number: number, values: readonly (number | bigint)[], before: readonly number[] = []) =>
      values.map((value) => call(number, ...before, value));
    // TCGETS, TIOCSTI, TIOCLINUX
    expect(answers(ioctl, [0x5401, 0x5412, 0x541c], [0])).toEqual([PASS, EPERM, EPERM]);
    // Threads, fork and vfork; then user, mount, network, pid, IPC, UTS, cgroup.
    expect(answers(clone, [0x003d0f00, 0x01200011, 0x4111])).toEqual([PASS, PASS, PASS]);
    const namespaces = [
      0x10000000, 0x20000, 0x40000000, 0x20000000, 0x08000000, 0x04000000, 0x02000000,
    ] as const;
    for (const flag of namespaces) expect(answers(clone, [flag | 17, flag])).toEqual([EPERM, EPERM]);
    // What samba unshares; time.
    expect(answers(unshare, [0, 0x600, 0x80, ...namespaces])).toEqual([PASS, PASS, ...times(8, EPERM)]);
    // Asking; linux32; setarch -R; i386 --3gb -X; what UNAME26 is for.
    expect(answers(personality, [0xffffffff, 0, 8, 0x40000, 0x8400008, 0x20000])).toEqual(times(6, PASS));
    // The first page; SVR4, BSD.
    expect(answers(personality, [0x100000, 0x4100001, 6])).toEqual([EPERM, EPERM, EPERM]);
    // Unix, IPv4, IPv6, netlink, packets; AF_ALG, AF_VSOCK.
    expect(answers(socket, [1, 2, 10, 16, 17, 38, 40])).toEqual([
      ...times(5, PASS),
      EAFNOSUPPORT,
      EAFNOSUPPORT,
    ]);
    // The kernel takes the low half of each.
    expect(answers(socket, [HIGH | 40n, HIGH | 1n])).toEqual([EAFNOSUPPORT, PASS]);
    expect(answers(ioctl, [HIGH | 0x5412n], [0])).toEqual([EPERM]);
    expect(answers(clone, [HIGH | 0x10000000n])).toEqual([EPERM]);
  });

  test.each(NAMES)(
    'without a network on %s, nothing that a network namespace does not hold',
    (architecture) => {
      const [, , , , socket] = CALLS[architecture];
      const [RDS, QIPCRTR] = [21, 42];
      const families = numbersOf('0-45');
      const refused = (network: 'host' | 'none') => {
        const call = kernel(architecture, {network});
        return families.filter((family) => call(socket, family) === EAFNOSUPPORT);
      };
      expect(refused('none')).toEqual([RDS, 38, 40, QIPCRTR]);
      expect(refused('host')).toEqual([38, 40]);
    },
  );

  test('socketcall of i386 makes sockets with a network, or where the root is i386', () => {
    const [SOCKETCALL, SOCKET, SOCKETPAIR] = [102, 1, 8];
    const others = numbersOf('2-20');
    for (const [options, answer] of [
      [{network: 'none'}, ENOSYS],
      [{network: 'none', is32BitRoot: true}, PASS],
      [{network: 'host'}, PASS],
    ] as const) {
      const call = kernel('i386', options);
      expect([call(SOCKETCALL, SOCKET), call(SOCKETCALL, HIGH | BigInt(SOCKET))]).toEqual([answer, answer]);
      expect(others).toContain(SOCKETPAIR);
      expect(others.filter((number) => call(SOCKETCALL, number) !== PASS)).toEqual([]);
    }
  });
});

test('where nodes work and nothing else keeps to devices, nodes are made of ordinary ones', () => {
  const [PIPE, CHARACTER, BLOCK, HIGH] = [0o010644, 0o020666, 0o060660, 1n << 32n];
  /** mknod and mknodat */
  const CALLS = {'x86-64': [133, 259], i386: [14, 297], aarch64: [undefined, 33], arm: [14, 324]};
  const device = (major: number, minor: number) => (major << 8) | (minor & 0xff) | ((minor & ~0xff) << 12);
  const ordinary = [3, 5, 7, 8, 9].map((minor) => device(1, minor)).concat(0x500, 0x501, 0x502, 0);
  const others = [
    ...[device(1, 1), device(1, 11), device(4, 0), device(8, 0), device(10, 229), device(5, 3), device(0, 1)],
    // A minor number of more than eight bits.
    device(1, 0x103),
  ];
  for (const architecture of NAMES) {
    const [limited, free] = [kernel(architecture, {ordinaryDevices: true}), kernel(architecture)];
    for (const [number, before] of [
      [CALLS[architecture][0], []],
      [CALLS[architecture][1], [0]],
    ] as const) {
      if (number === undefined) continue;
      const made = (mode: number | bigint, dev: number | bigint) => limited(number, ...before, 0, mode, dev);
      expect(ordinary.map((dev) => made(CHARACTER, dev))).toEqual(times(9, PASS));
      expect(others.map((dev) => made(CHARACTER, dev))).toEqual(times(8, EPERM));
      expect([...ordinary, ...others].map((dev) => made(BLOCK, dev))).toEqual(times(17, EPERM));
      expect([made(PIPE, 0), made(PIPE, 0x800), made(0o100644, 0x800)]).toEqual([PASS, PASS, PASS]);
      // The kernel takes the low half of each.
      expect([made(HIGH | BigInt(BLOCK), 0), made(CHARACTER, HIGH | 0x103n)]).toEqual([EPERM, PASS]);
      expect(free(number, ...before, 0, BLOCK, 0x800)).toBe(PASS);
    }
  }
});

test('other ways to call', () => {
  const X32_BIT = 0x40000000;
  const [x86, arm] = [kernel('x86-64'), kernel('arm')];
  for (const number of [0, 41, 514]) expect(x86(X32_BIT | number)).toBe(EPERM);
  // breakpoint, cacheflush, …, set_tls, get_tls of arm, and beside them
  expect(numbersOf('983041-983046').map((number) => arm(number))).toEqual(times(6, PASS));
  expect([arm(0xf0007), arm(0xf0800), x86(0xf0002)]).toEqual([ENOSYS, ENOSYS, ENOSYS]);
  const options = {capabilities: DEFAULT_CAPABILITIES, network: 'host'} as const;
  const filter = seccompFilter({...options, processor: 'x64'})!;
  for (const audit of [0x12345678, ARCHITECTURES.aarch64.audit, 0]) {
    expect(ANSWERS.get(run(filter, audit, 0, []).result)).toBe(EPERM);
  }
  expect(seccompFilter({...options, processor: 'riscv64'})).toBeUndefined();
});

test('whatever is held, it can be built and is no longer than the kernel takes', () => {
  for (const capabilities of [[], ALL_CAPABILITIES, ...ALL_CAPABILITIES.map((name) => [name])]) {
    for (const processor of ['x64', 'arm64']) {
      for (const network of ['host', 'none'] as const) {
        const filter = seccompFilter({capabilities, network, processor})!;
        expect(filter.length % 8).toBe(0);
        expect(filter.length / 8).toBeLessThanOrEqual(4096); // BPF_MAXINSNS
      }
    }
  }
});
