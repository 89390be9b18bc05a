/**
 * Throw-away machines with real ZFS, emulated by QEMU; no hardware virtualisation is needed. A guest boots in a few
 * seconds, runs one script as root and is gone, with everything that it wrote to its own disks. It ends with this
 * process, whatever ends that.
 */
import {execFileSync, spawn} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {once} from 'node:events';
import {closeSync, ftruncateSync, openSync, unlinkSync} from 'node:fs';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import type {Duplex, Readable} from 'node:stream';
import {guestImage, type Image} from './image.ts';

export interface GuestOptions {
  /** A directory with `run.sh`, which the guest runs. It has a copy of its own, on disk, at /run/work. */
  work: string;
  /** The guest's disks from /dev/vdc on: files, which keep what it writes, or empty disks of so many bytes. */
  disks?: readonly (string | {size: number})[];
  /** MiB. Default: 2048. */
  memory?: number;
  /** Default: 2. */
  processors?: number;
  /** Milliseconds from the start of the machine to its end. */
  timeout: number;
  /** Further arguments for QEMU. A disk at a PCI address from 0x18 to 0x1e comes after the others. */
  qemu?: readonly string[];
  /** Kills the machine, as pulling its plug would. */
  signal?: AbortSignal;
  /** Called with each line that the script prints. */
  onLine?: (line: string) => void;
  /** Called with each line that the script writes to descriptor 3, where it can read the lines that are answered. */
  onReport?: (line: string, answer: (line: string) => void) => void;
}

/** Bytes: room for the work directory and what is written beside it. The file has holes. */
const WORK_DISK = 2 ** 31;

/** Descriptors that QEMU inherits beyond the standard ones; those of the disks come next. */
const OUTPUT = 3;
const REPORT = 4;
const DISKS = 5;

/**
 * Boots a guest, waits for its end and gives the script's exit code.
 * @throws Error with the last words of the guest's kernel when the machine ended before the script, or had to be ended;
 *   the signal's reason when that ended it
 */
export async function runGuest(options: GuestOptions): Promise<number> {
  const image = await guestImage();
  const work = emptyDisk(WORK_DISK);
  const disks = [work];
  try {
    execFileSync(
      'mke2fs',
      ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', options.work, '/dev/fd/3'],
      {
        stdio: ['ignore', 'ignore', 'inherit', work],
      },
    );
    for (const disk of options.disks ?? [])
      disks.push(typeof disk === 'string' ? openSync(disk, 'r+') : emptyDisk(disk.size));
    return await boot(image, disks, options);
  } finally {
    for (const fd of disks) closeSync(fd);
  }
}

async function boot(image: Image, disks: readonly number[], options: GuestOptions): Promise<number> {
  const command = ['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', ...machine(image, disks, options)];
  const qemu = spawn(command[0]!, command.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...disks],
  });
  const closed = once(qemu, 'close');
  const stop = AbortSignal.any([
    AbortSignal.timeout(options.timeout),
    ...(options.signal ? [options.signal] : []),
  ]);
  const kill = (): boolean => qemu.kill('SIGKILL');
  stop.addEventListener('abort', kill);

  const lastWords: string[] = [];
  const heard = (line: string): void => {
    lastWords.push(line.trimEnd());
    if (lastWords.length > 40) lastWords.shift();
  };
  const port = qemu.stdio[REPORT] as Duplex;
  port.on('error', () => undefined); // The guest ended before it heard the answer; we hear of that soon enough.
  const answer = (line: string): void => void port.write(`${line}\n`);
  let code: number | undefined;
  const each = (descriptor: number, onLine: (line: string) => void): void => {
    createInterface({input: qemu.stdio[descriptor] as Readable}).on('line', onLine);
  };
  each(1, heard);
  each(2, heard);
  each(OUTPUT, (line) => options.onLine?.(line));
  each(REPORT, (line) => {
    const exit = /^exit (\d+)$/.exec(line); // By guest-init, as its last words.
    if (exit === null) options.onReport?.(line, answer);
    else code = Number(exit[1]);
  });

  try {
    await closed;
  } finally {
    stop.removeEventListener('abort', kill);
  }
  options.signal?.throwIfAborted();
  if (code !== undefined) return code;
  const end = stop.aborted
    ? `had not ended after ${options.timeout / 1000} s`
    : 'ended before its script did';
  throw new Error(`the guest ${end}; its kernel said:\n${lastWords.join('\n')}`);
}

function machine(
  image: Image,
  disks: readonly number[],
  {memory = 2048, processors = 2, qemu = []}: GuestOptions,
): string[] {
  // The kernel's own test of the timer fails, and ends in a panic, where the host is busy with something else.
  const kernelOptions =
    'console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr random.trust_cpu=on norandmaps tsc=reliable';
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    // No more processor features than Node needs: OpenZFS measures all its variants of checksums when it is loaded.
    ...[
      '-accel',
      'tcg,thread=multi,tb-size=512',
      '-cpu',
      'qemu64',
      '-smp',
      String(processors),
      '-m',
      String(memory),
    ],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', kernelOptions],
    ...['-device', 'virtio-rng-pci'],
    ...['-device', 'virtio-serial-pci'],
    ...['-chardev', `socket,id=output,fd=${OUTPUT}`, '-device', 'virtconsole,chardev=output'],
    ...['-chardev', `socket,id=report,fd=${REPORT}`, '-device', 'virtserialport,chardev=report,name=report'],
    // Nothing is flushed to the host's disks, which matters only to those who pull the host's plug.
    ...['-drive', `file=${image.root},format=raw,if=none,id=root,snapshot=on,cache=unsafe`],
    ...['-device', 'virtio-blk-pci,drive=root,addr=0x10'],
    ...disks.flatMap((_, index) => [
      ...['-drive', `file=/dev/fd/${DISKS + index},format=raw,if=none,id=disk${index},cache=unsafe`],
      ...['-device', `virtio-blk-pci,drive=disk${index},addr=0x${(0x11 + index).toString(16)}`],
    ]),
    ...qemu,
  ];
}

/** The file has no name, and is gone with its last descriptor. */
function emptyDisk(size: number): number {
  const path = join(process.env['TMPDIR'] ?? '/var/tmp', `chrootctl-guest-${randomUUID()}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  ftruncateSync(fd, size);
  return fd;
}
