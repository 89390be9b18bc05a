/**
 * How a command comes into its sandbox without no_new_privs, which bubblewrap gives to all that it starts, and which nothing
 * takes away again: bwrap starts a stand-in that only waits, and a second child of process 1 of the outer namespace,
 * which has nothing of bwrap's, enters the complete sandbox and starts the command there:
 *
 *     perl              as in chain.ts
 *      └ perl, bwrap    process 1 of the outer namespace
 *         ├ perl        enters all namespaces of the sandbox but, by itself, that of processes; waits for its child, and tells
 *         │  │          the stand-in how that ended
 *         │  └ perl     inside: filters system calls, gives up what bwrap would give up
 *         │    sh       and all that follows, as in chain.ts
 *         └ bwrap       process 1 of the inner namespace
 *            └ sh       the stand-in, without any capability: ends as the command ended, so that bwrap reports that
 *
 * The one that enters is first made, so that the command is as many generations below the outermost process as else. Nobody
 * but bwrap's own is inside yet when its child comes there, and itself it is in no namespace that can be seen from inside.
 */
import {ALL_CAPABILITIES, type Capability} from './capabilities.ts';
import {DESCRIPTORS} from './chain.ts';

export interface Entrance {
  /** What the shell holds, as bwrap would leave it. */
  capabilities: readonly Capability[];
  /** How the root is mounted but for nosuid, as flags of mount(2). */
  rootFlags: number;
  workdir: string;
  /** The words of the innermost shell. */
  shell: readonly string[];
}

/** Processes beside those of an ordinary sandbox. */
export const ENTERING_PROCESSES = 2;

const MS_RDONLY = 1;
const MS_NODEV = 4;
const MS_REMOUNT = 32;
const MS_BIND = 4096;

export function rootFlags({readOnly, hasDevices}: {readOnly: boolean; hasDevices: boolean}): number {
  return MS_REMOUNT | MS_BIND | (readOnly ? MS_RDONLY : 0) | (hasDevices ? 0 : MS_NODEV);
}

/** The words of the stand-in. What the terminal sends to the whole group it is told to ignore before it starts. */
export function standIn(sh: readonly string[]): string[] {
  const rest = Array.from({length: DESCRIPTORS.first}, (_, fd) => `${fd}>&-`).slice(1);
  return [...sh, '-c', `echo ready; exec ${rest.join(' ')}; read -r ended; exit "\${ended:-1}"`];
}

/** As the program reads it. */
export function entranceParts({capabilities, rootFlags, workdir, shell}: Entrance): (string | number)[][] {
  return [[rootFlags, workdir], capabilities.map((name) => ALL_CAPABILITIES.indexOf(name)), [...shell]];
}

/** Part of the outer link's program (outer-program.ts), for process 1 of the outer namespace, before it becomes bwrap. */
export const ENTER = String.raw`
pipe my $born, my $bearing or fail('pipe');
pipe my $end, my $ending or fail('pipe');
# What comes before there is a command goes to the one that becomes it.
my $early;
$SIG{$_} = sub { $early = $_[0] } for @signals;
defined(my $entering = fork) or fail('fork');
if (!$entering) {
  close $bearing;
  close $end;
  my ($said, $count) = ('');
  # Process 1 inside, from bwrap; then, from the stand-in, that all is mounted.
  until ($said =~ /ready/) {
    $count = sysread $born, $said, 4096, length $said;
    exit 1 if defined $count ? $count == 0 : $! != 4;
  }
  my ($pid) = $said =~ /"child-pid": (\d+)/;
  my ($place, $held, $shell) = list($entrance);
  my ($flags, $workdir) = list($place);
  my @spaces = map { open my $space, '<', "/proc/$pid/ns/$_" or fail("namespace: $_"); $space } qw(ipc uts net pid mnt);
  # Where we have been moved by chroot(2), the namespace's own root is the host's, and not that of who is inside.
  opendir my $root, "/proc/$pid/root" or fail('root');
  for (@spaces) { syscall(SETNS, fileno $_, 0) == 0 or fail('setns') }
  chdir $root and chroot '.' or fail('root');
  closedir $root;
  attach('none', '/', '', $flags, '') or fail('mount: /');
  chdir $workdir or fail("chdir: $workdir");
  defined(my $inside = fork) or fail('fork');
  if (!$inside) {
    $SIG{$_} = 'DEFAULT' for @signals;
    kill $early, $$ if defined $early;
    closed();
    if ($filter ne '') {
      my $program = pack 'Sx![P]P', length($filter) / 8, $filter;
      syscall(PRCTL, 22, 2, $program, 0, 0) == 0 or fail('seccomp');
    }
    my @held = list($held);
    my @mask = (0, 0);
    $mask[$_ >> 5] |= 1 << ($_ & 31) for @held;
    for my $each (0 .. 63) { syscall(PRCTL, 24, $each) unless $mask[$each >> 5] >> ($each & 31) & 1 }
    my ($version, $sets) = (pack('Ll', 0x20080522, 0), pack('L6', map { $_, $_, $_ } @mask));
    syscall(CAPSET, $version, $sets) == 0 or fail('capset');
    for (@held) { syscall(PRCTL, 47, 2, $_ + 0, 0, 0) == 0 or fail('capabilities') }
    %ENV = ();
    my @shell = list($shell);
    exec { $shell[0] } @shell or fail("exec: $shell[0]");
  }
  1 while waitpid($inside, 0) == -1 && $! == 4;
  syswrite $ending, ($? & 127 ? 128 + ($? & 127) : $? >> 8) . "\n";
  exit 0;
}
close $born;
close $ending;
syscall(DUP3, fileno $end, 0, 0) == 0 && syscall(DUP3, fileno $bearing, 1, 0) == 1 or fail('pipe');
$SIG{$_} = 'IGNORE' for @signals;
push @open, $bearing;
@born = ('--info-fd', fileno $bearing);
`;
