/**
 * Whether what was written has come to the disk. Programs write into memory, and the kernel writes that to the disk later; when
 * it cannot (a disk that fails, a thin one that is full), it drops the data and tells so once, to who has opened something on
 * that file system before and asks with syncfs(2) (errseq). Who opens it afterwards is told nothing, or what somebody else was
 * to be told. So a descriptor is held from before the first write.
 *
 * Node has no call for syncfs(2); another program is asked with our descriptor, which stays the same open file for the
 * kernel (calls.ts, or perl).
 */
import {closeSync, openSync} from 'node:fs';
import {ChrootctlError} from '../errors.ts';
import {callWords, LOST} from './calls.ts';
import {lastLine, notStarted, start} from './programs.ts';

/** Data that did not come to the disk. */
export class LostWrites extends ChrootctlError {
  readonly what: string;

  constructor(what: string) {
    super('FAILED', `data could not be written to the disk: ${what}`, {
      hint: 'look at the disk, and whether it is full (dmesg, df); what was written before this has to be written again',
    });
    this.what = what;
  }
}

/** Numbers of syncfs(2) and sync_file_range(2), and the arguments of the latter that wait for all of a file. */
const CALLS: Partial<Record<string, {syncfs: number; range: string}>> = {
  x64: {syncfs: 306, range: '277, $fd, 0, 0, 1'},
  ia32: {syncfs: 344, range: '314, $fd, 0, 0, 0, 0, 1'},
  arm: {syncfs: 373, range: '341, $fd, 1, 0, 0, 0, 0'},
  arm64: {syncfs: 267, range: '84, $fd, 0, 0, 1'},
  ppc64: {syncfs: 348, range: '308, $fd, 1, 0, 0'},
  s390x: {syncfs: 338, range: '307, $fd, 0, 0, 1'},
  riscv64: {syncfs: 267, range: '84, $fd, 0, 0, 1'},
  loong64: {syncfs: 267, range: '84, $fd, 0, 0, 1'},
};

/**
 * Its standard input is the descriptor that is held. Then it looks at the files of the trees that it is told, as far as they
 * have changed since: each remembers by itself that something of it was lost, until somebody has been told.
 */
const PROGRAM = String.raw`
sub fail { print STDERR "$_[0]: $!\n"; exit 1 }
sub lost { print STDERR "$_[0]\n"; exit LOST }
syscall(SYNCFS, 0) == 0 or lost($!);
my ($since, $device);
sub look {
  my $at = $_[0];
  opendir my $entries, '.' or fail($at);
  my @names = grep { $_ ne '.' && $_ ne '..' } readdir $entries;
  closedir $entries;
  for my $name (@names) {
    my @stat = lstat $name or ($! == 2 ? next : fail("$at/$name"));
    if (-d _) {
      next if $stat[0] != $device;
      chdir $name or fail("$at/$name");
      look("$at/$name");
      chdir '..' or fail($at);
    } elsif (-f _ && -s _ && $stat[10] >= $since) {
      sysopen my $file, $name, 0400000 | 2048 or fail("$at/$name");
      my $fd = fileno $file;
      syscall(RANGE) == 0 or lost("$at/$name: $!");
    }
  }
}
for (@ARGV) {
  ($since, my $tree) = split /:/, $_, 2;
  chdir $tree or fail($tree);
  $device = (stat '.')[0];
  look('');
}
`;

/** O_NOFOLLOW differs between processors; of the others it is the one of x86. */
const NO_FOLLOW: Partial<Record<string, string>> = {arm: '0100000', arm64: '0100000', ppc64: '0100000'};

/** A tree to look at, as far as it has changed since a time in milliseconds since 1970. */
export interface Look {
  tree: string;
  since: number;
}

export class WriteBack {
  readonly #fd: number;

  /** From now on, until it is closed; that long the file system cannot be unmounted. @param path anything on the file system */
  constructor(path: string) {
    this.#fd = openSync(path, 'r');
  }

  /**
   * All that was written to the file system is on the disk afterwards.
   * @param looks trees that others may have written to before there was somebody to be told
   * @throws LostWrites when something was lost since this was made, or of a file in these trees before
   */
  async sync(looks: readonly Look[] = []): Promise<void> {
    const words = looks.map(({tree, since}) => `${Math.floor(since / 1000)}:${tree}`);
    const {code, stderr} = await this.#call(words);
    if (code === 0) return;
    if (code === LOST) throw new LostWrites(lastLine(stderr));
    throw new ChrootctlError('FAILED', `cannot sync the file system: ${lastLine(stderr)}`);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #call(words: readonly string[]): Promise<{code: number | null; stderr: string}> {
    const [file, ...args] = callWords(['sync', ...words], () => ['perl', '-e', programText(), ...words]);
    return new Promise((resolve, reject) => {
      const child = start(file, args, {
        stdio: [this.#fd, 'ignore', 'pipe'],
        cwd: '/',
      });
      let stderr = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.once('error', (error) => reject(notStarted(file, error)));
      child.once('close', (code) => resolve({code, stderr}));
    });
  }
}

function programText(): string {
  const calls = CALLS[process.arch];
  if (calls === undefined)
    throw new ChrootctlError('FAILED', `the system calls of this processor (${process.arch}) are not known`);
  return PROGRAM.replaceAll('SYNCFS', String(calls.syncfs))
    .replaceAll('RANGE', calls.range)
    .replaceAll('LOST', String(LOST))
    .replaceAll('0400000', NO_FOLLOW[process.arch] ?? '0400000');
}
