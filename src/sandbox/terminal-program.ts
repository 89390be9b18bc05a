/**
 * What the outer link does besides, when the command gets a terminal of its own (terminal.ts says when): a perl program that
 * it evaluates (outer-program.ts), so that nobody else's start is any longer for it.
 */

import {callsOf} from './outer-program.ts';

/** Requests to terminals, from the kernel's headers (ioctl_tty(2)). */
const REQUESTS = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TIOCGPGRP: 0x540f,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  TIOCSPTLCK: 0x40045431,
};
const REQUESTS_OF_PPC: typeof REQUESTS = {
  TCGETS: 0x402c7413,
  TCSETS: 0x802c7414,
  TIOCGPGRP: 0x40047477,
  TIOCGWINSZ: 0x40087468,
  TIOCSWINSZ: 0x80087467,
  TIOCSPTLCK: 0x80045431,
};

/**
 * The terminal is the only one of a devpts of its own, over the host's in the private mount namespace: nobody outside can
 * open it, and inside it has its name. The process that comes first in the chain leads its session.
 *
 * What is typed and shown goes between the two terminals through a process that does not die with us: it puts the
 * caller's terminal back also when we are killed. It ends when the other end of `tie` is closed, which we and nobody
 * else have, and is nobody's child, since the chain is found by first children (processes.ts). Into the process id
 * namespace it must not come, and of the mounts it must hold none.
 *
 * While chrootctl is in the background, the caller's terminal belongs to others: it is not read then, nor are its settings
 * touched. A shell tells nobody whom it brings to the foreground, so that there is no way but to look again and again;
 * in the foreground once a second, for a signal that comes just before select(2).
 *
 * Flags of sysopen: O_RDWR | O_NOCTTY (and O_NONBLOCK). Errors: EINTR (4), ENOTTY (25): not our controlling terminal, which
 * has no background.
 */
const PROGRAM = String.raw`
my ($owner, @numbers) = (OWNED);
sysopen my $outside, "/proc/self/fd/$numbers[0]", 258 or fail('terminal');
open my $home, '<', '/proc/self/ns/mnt' or fail('terminal');
# At once, and not again: musl takes a terminal's name from its place in the namespace in which it was opened.
syscall(UNSHARE, 0x20000) == 0 && attach('none', '/', '', 0x84000, '') or fail('terminal');
$spaces &= ~0x20000;
attach('devpts', '/dev/pts', 'devpts', 10, 'newinstance,ptmxmode=0666,mode=620,gid=5') or fail('mount: /dev/pts');
sysopen my $master, '/dev/pts/ptmx', 2306 or fail('terminal');
ioctl $master, TIOCSPTLCK, my $unlocked = pack 'i', 0 or fail('terminal');
sysopen my $inside, '/dev/pts/0', 258 or fail('terminal');
chown $owner, -1, $inside or fail('terminal');
socketpair my $tie, my $other, 1, 1, 0 or fail('terminal');

my $settings = sub { my $now = "\0" x 256; ioctl($outside, TCGETS, $now) ? $now : '' };
my $in_front = sub {
  my $group = pack 'i', 0;
  ioctl($outside, TIOCGPGRP, $group) ? unpack('i', $group) == getpgrp : $! == 25 ? 1 : undef
};
my $resize = sub {
  my $size = "\0" x 256;
  ioctl $outside, TIOCGWINSZ, $size and ioctl $master, TIOCSWINSZ, $size;
};
$resize->();
if ($in_front->() && (my $plain = $settings->()) ne '') { ioctl $inside, TCSETS, $plain }

my $relay = sub {
  my ($plain, $raw, $typed) = ('', '', '');
  my $take = sub {
    $plain = $settings->() or return;
    # Input, output, control and local flags; without any, every byte goes as it is.
    my ($control) = unpack 'x8 L', $plain;
    ioctl $outside, TCSETS, pack('L4', 0, 0, $control, 0) . substr $plain, 16;
    $raw = $settings->();
  };
  my $give = sub {
    local $SIG{TTOU} = 'IGNORE';
    # Unless somebody else has set it meanwhile, as shells do with what a killed program leaves.
    ioctl $outside, TCSETS, $plain if $raw ne '' && $settings->() eq $raw;
    $raw = '';
  };
  my $show = sub {
    sysread $master, my $data, 65536 or return 0;
    while ($data ne '') {
      my $count = syswrite $outside, $data;
      last if !defined $count && $! != 4;
      substr $data, 0, $count // 0, '';
    }
    1
  };
  local $SIG{WINCH} = $resize;
  local $SIG{TSTP} = sub { $give->(); kill 'STOP', $$ };
  local $SIG{CONT} = sub { $raw = '' if $settings->() ne $raw; $resize->() };
  while (1) {
    # It was hung up: then so is the other.
    defined(my $front = $in_front->()) or last;
    $take->() if $front && $raw eq '';
    my ($from, $to) = ('', '');
    vec($from, fileno $_, 1) = 1 for $tie, $master, $front && $typed eq '' ? $outside : ();
    vec($to, fileno $master, 1) = $typed eq '' ? 0 : 1;
    select($from, $to, undef, $front ? 1 : 0.2) > 0 or next;
    if (vec $to, fileno $master, 1) { substr $typed, 0, syswrite($master, $typed) // 0, '' }
    $show->() if vec $from, fileno $master, 1;
    if (vec($from, fileno $outside, 1) && $in_front->()) {
      my $count = sysread $outside, $typed, 4096;
      last if defined $count ? $count == 0 : $! != 4;
    }
    last if vec $from, fileno $tie, 1;
  }
  # What is left is less than 100 KB; nobody who was passed the terminal may keep us by writing on.
  $show->() or last for 1 .. 1000;
  $give->();
};

defined(my $first = fork) or fail('fork');
if (!$first) {
  close $other;
  defined(my $second = fork) or fail('fork');
  exit 0 if $second;
  syscall(SETNS, fileno $home, 0) == 0 or fail('terminal');
  chdir '/';
  $relay->();
  exit 0;
}
waitpid $first, 0;
syscall(DUP3, fileno $inside, $_ + 0, 0) == $_ or fail('terminal') for @numbers;
close $_ for $outside, $home, $master, $tie;
(
  # The command's side …
  sub {
    syscall(SETSID) != -1 && ioctl $inside, 0x540e, 0 or fail('terminal');
    close $_ for $inside, $other;
  },
  # … and ours, at the end: all that was written is shown, and the caller's terminal as it was.
  sub { shutdown $other, 1; 1 while sysread $other, my $nothing, 1 or $! == 4 },
)
`;

/** @param numbers the streams that become the command's own terminal, by their numbers in the chain */
export function terminalProgram(
  owner: number,
  numbers: readonly number[],
  architecture: string = process.arch,
): string {
  const {unshare, dup3, setsid, setns} = callsOf(architecture);
  const numbersOf = {
    ...(architecture === 'ppc64' ? REQUESTS_OF_PPC : REQUESTS),
    ...{UNSHARE: unshare, DUP3: dup3, SETSID: setsid, SETNS: setns},
    OWNED: [owner, ...numbers].join(', '),
  };
  return Object.entries(numbersOf).reduce(
    (text, [name, value]) => text.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), String(value)),
    PROGRAM,
  );
}
