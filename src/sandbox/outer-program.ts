/**
 * The text of the outer link in perl, for what the supervisor (supervisor.ts) does not do and for where it is missing: one perl
 * starts faster than the row of util-linux programs that would do the same, and Debian is never without it (perl-base).
 */
import {ChrootctlError} from '../errors.ts';
import {AT_START, DESCRIPTORS} from './chain.ts';
import {LOCKED_MODE} from '../system/life.ts';
import {ENTER} from './entrance.ts';

/** Said on the set-up descriptor when the pipes are made: then we open their other ends, and say one byte. */
export const PIPED = 'chrootctl: pipes';

interface Calls {
  prctl: number;
  unshare: number;
  mount: number;
  umount2: number;
  dup3: number;
  setgroups: number;
  prlimit: number;
  setns: number;
  capset: number;
  getrusage: number;
  setsid: number;
}

/** System call numbers, from the kernel's tables, by Node's names of architectures. */
const GENERIC: Calls = {
  prctl: 167,
  unshare: 97,
  mount: 40,
  umount2: 39,
  dup3: 24,
  setgroups: 159,
  prlimit: 261,
  setns: 268,
  capset: 91,
  getrusage: 165,
  setsid: 157,
};
const CALLS: Partial<Record<string, Calls>> = {
  x64: {
    prctl: 157,
    unshare: 272,
    mount: 165,
    umount2: 166,
    dup3: 292,
    setgroups: 116,
    prlimit: 302,
    setns: 308,
    capset: 126,
    getrusage: 98,
    setsid: 112,
  },
  ia32: {
    prctl: 172,
    unshare: 310,
    mount: 21,
    umount2: 52,
    dup3: 330,
    setgroups: 206,
    prlimit: 340,
    setns: 346,
    capset: 185,
    getrusage: 77,
    setsid: 66,
  },
  arm: {
    prctl: 172,
    unshare: 337,
    mount: 21,
    umount2: 52,
    dup3: 358,
    setgroups: 206,
    prlimit: 369,
    setns: 375,
    capset: 185,
    getrusage: 77,
    setsid: 66,
  },
  ppc64: {
    prctl: 171,
    unshare: 282,
    mount: 21,
    umount2: 52,
    dup3: 316,
    setgroups: 81,
    prlimit: 325,
    setns: 350,
    capset: 184,
    getrusage: 77,
    setsid: 66,
  },
  s390x: {
    prctl: 172,
    unshare: 303,
    mount: 21,
    umount2: 52,
    dup3: 326,
    setgroups: 206,
    prlimit: 334,
    setns: 339,
    capset: 185,
    getrusage: 77,
    setsid: 66,
  },
  arm64: GENERIC,
  riscv64: GENERIC,
  loong64: GENERIC,
};

/**
 * perl gives numbers to the kernel as they are and strings as pointers, so that numbers stand in the text.
 *
 * The parent only waits, and lives through what a terminal sends to the whole group. bwrap gets an empty environment, since
 * process 1 inside shows it for ever, and runs from a mount that is read-only, since /proc/1/exe is its file there.
 */
const PROGRAM = String.raw`
my $first;
sub fail { print STDERR "$_[0]: $!\n"; exit 1 }
sub list { unpack '(V/a)*', $_[0] }
sub attach { my @to = @_; syscall(MOUNT, $to[0], $to[1], $to[2], $to[3] + 0, $to[4]) == 0 }
sub told {
  my ($count, $text) = ($_[0], '');
  while (length $text < $count) { sysread(STDIN, $text, $count - length $text, length $text) or exit 1 }
  $text
}
sub piped {
  pipe my $from, my $to or fail('pipe');
  fcntl $to, 1031, length $_[0] if length $_[0] > 65536;
  syswrite($to, $_[0]) == length $_[0] or fail('pipe');
  $from
}
sub closed {
  return if syscall(436, $first + 0, 0xffffffff, 0) == 0;
  opendir my $open, '/proc/self/fd' or fail('/proc/self/fd');
  # What goes out of scope is closed.
  for (grep { /^\d+$/ && $_ >= $first } readdir $open) { open my $gone, '<&=', $_ }
}
BEGIN { $^H |= 0x400000 }
$^F = 1024;
syscall(PRCTL, 1, 9);
for (SWAPPED) {
  my ($one, $other) = @$_;
  for ([$one, SPARE], [$other, $one], [SPARE, $other]) { syscall(DUP3, @$_, 0) == $_->[1] or fail('stream') }
}
open $first, '<&=', SPARE and close $first;
my (
  $words, $made, $terminal, $groups, $detach, $mounts, $directories, $files, $ulimits, $pipes, $filter, $options, $command,
  $entrance
) = list(told(unpack 'V', told(4)));
(my ($parent, $spaces), $first, my ($directory, $patient, $root, $measured, $lifeline)) = list($words);
my $io;
exit 1 if getppid != $parent;
syscall(SETGROUPS, 0, 0);
if ($lifeline) {
  open my $file, '<&=', $first or fail('lock');
  flock $file, 2 and chmod LOCKED, $file;
}
closed();
for (list($made)) {
  my ($number, $kind, $like) = /(\d+)(.)(\d*)/;
  my ($from, $to);
  ($kind eq '=' ? open($to, '>&', $like) : pipe($from, $to)) or fail('pipe');
  syscall(DUP3, fileno($kind eq '<' ? $from : $to), $number + 0, 0) == $number or fail('pipe');
}
if ($made ne '') { print STDERR "PIPED\n"; told(1) }
my @streams;
for (STREAMS) {
  # Node reads its own streams without waiting, and tells only the children that have them at 0 to 2.
  open my $stream, '+<&=', $_ or fail('stream');
  push @streams, $stream;
  fcntl $stream, 4, fcntl($stream, 3, 0) & ~2048;
}
my @signals = qw(HUP INT QUIT PIPE ALRM TERM USR1 USR2);
$SIG{$_} = sub {} for @signals;
my ($enter, $leave) = eval $terminal;
fail("terminal: $@") if $@ ne '';
syscall(UNSHARE, $spaces + 0) == 0 or fail('unshare');
attach('none', '/', '', 0x84000, '') or fail('mount: /');
open $io, '<', '/proc/self/io' if $measured;
defined(my $child = fork) or fail('fork');
if ($child) {
  1 while waitpid($child, 0) == -1 && $! == 4;
  if ($measured) {
    syscall(GETRUSAGE, -1, my $usage = "\0" x 256);
    my ($written) = join('', <$io>) =~ /^write_bytes: (\d+)/m;
    open my $status, '>&=', STATUS;
    syswrite $status, join(' ', 'usage', unpack('l!5', $usage), $written // '-') . "\n";
  }
  $leave->() if defined $leave;
  exit 0;
}
syscall(PRCTL, 1, 9);
$enter->() if defined $enter;
umask 0;
for (list($groups)) {
  open my $group, '>', "$_/cgroup.procs" or fail("control group: $_");
  syswrite $group, '0' or fail("control group: $_");
}
syscall(UMOUNT, $_, 2) for list($detach);
chdir $directory or fail("mount: $directory");
my ($tries, @mounts) = (0, list($mounts));
while (my ($source, $target, $type, $flags, $data) = splice @mounts, 0, 5) {
  if ($type eq 'directory') { mkdir $target, 0755 or fail("mkdir: $target"); next }
  # The kernel refuses to mount a sysfs upon itself.
  syscall(UMOUNT, $target, 2) if $type eq 'sysfs';
  until (attach($source, $target, $type, $flags, $data)) {
    fail("mount: $target") unless $patient && $! == 16 && $tries++ < 100;
    select undef, undef, undef, 0.05;
  }
  next if $type ne 'overlay' || $flags & 1 || -w $target;
  print STDERR "mount: no space left on the device of the store: the root would be read-only\n";
  exit 1;
}
attach('proc', '/proc', 'proc', 14, '') or fail('mount: /proc');
for (list($directories)) { mkdir $root . $_, 0755 or $! == 17 or fail("mkdir: $_") }
my @files = list($files);
while (my ($path, $content) = splice @files, 0, 2) {
  $path = $root . $path;
  unlink $path or $! == 2 or next;
  sysopen my $file, $path, 193, 0644 or fail("file: $path");
  syswrite($file, $content) == length $content or fail("file: $path");
}
my $bwrap;
for (split /:/, $ENV{PATH}) { if (-e "$_/bwrap") { $bwrap = "$_/bwrap"; last } }
if (!defined $bwrap) { print STDERR "bwrap: not found\n"; exit 1 }
attach($bwrap, $bwrap, '', 4096, '') && attach('none', $bwrap, '', 4129, '') or fail("mount: $bwrap");
my @ulimits = list($ulimits);
while (my ($resource, $soft, $hard) = splice @ulimits, 0, 3) {
  my $limit = pack 'qq', $soft, $hard;
  syscall(PRLIMIT, 0, $resource + 0, $limit, 0) == 0 or fail('ulimit');
}
my ($owner, @pipes) = list($pipes);
my @open = map { open my $pipe, '<&=', $_ or fail('pipe'); chown $owner, -1, $pipe; $pipe } @pipes;
my @born;
ENTER
my @filter = $filter eq '' ? () : ('--seccomp', fileno(push(@open, piped($filter)) && $open[-1]));
push @open, piped($options);
%ENV = ();
exec { $bwrap } 'bwrap', @filter, @born, '--args', fileno $open[-1], '--', list($command) or fail('bwrap');
`;

/** @throws ChrootctlError FAILED on a processor whose system calls are not known here */
export function callsOf(architecture: string): Calls {
  const calls = CALLS[architecture];
  if (calls !== undefined) return calls;
  throw new ChrootctlError('FAILED', `chrootctl cannot run commands on this processor (${architecture})`);
}

/**
 * The words that start the program, which also `enters` the sandbox (entrance.ts) or not.
 * @throws ChrootctlError FAILED on a processor whose system calls are not known here
 */
export function outerWords({
  enters = false,
  architecture = process.arch,
}: {enters?: boolean; architecture?: string} = {}): string[] {
  const calls = callsOf(architecture);
  const program = PROGRAM.replace('ENTER', () => (enters ? ENTER : ''))
    .replace('PIPED', PIPED)
    .replace('SWAPPED', `[${DESCRIPTORS.told}, ${AT_START.told}], [${DESCRIPTORS.setup}, ${AT_START.setup}]`)
    .replaceAll('SPARE', String(DESCRIPTORS.first + 1))
    .replace('STREAMS', `${DESCRIPTORS.stdin}, ${DESCRIPTORS.stderr}`)
    .replace('LOCKED', `0${LOCKED_MODE.toString(8)}`)
    .replace('STATUS', String(DESCRIPTORS.status))
    .replaceAll('SETNS', String(calls.setns))
    .replaceAll('CAPSET', String(calls.capset))
    .replaceAll('PRCTL', String(calls.prctl))
    .replaceAll('PRLIMIT', String(calls.prlimit))
    .replaceAll('GETRUSAGE', String(calls.getrusage))
    .replaceAll('SETGROUPS', String(calls.setgroups))
    .replaceAll('DUP3', String(calls.dup3))
    .replaceAll('UNSHARE', String(calls.unshare))
    .replaceAll('UMOUNT', String(calls.umount2))
    .replaceAll('MOUNT', String(calls.mount));
  return ['perl', '-e', program];
}
