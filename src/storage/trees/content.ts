/** Comparing the contents of files. */
import {closeSync, openSync, readSync, type Stats} from 'node:fs';
import {ChrootctlError, remedyIn} from '../../errors.ts';
import {Child} from '../../system/child.ts';
import {deathOf} from '../../system/death.ts';
import {endable, Pauses, stoppable} from '../../system/interruption.ts';
import {asBytes, type BytePath} from './bytes.ts';

const CHUNK_BYTES = 1 << 18;

/** One pair for all calls, between two pauses: most files are much smaller. */
const ONE = Buffer.alloc(CHUNK_BYTES);
const OTHER = Buffer.alloc(CHUNK_BYTES);

/** Bytes in holes from which on it pays to start a program that knows where they are. */
const MANY_IN_HOLES = 1 << 22;

/** Whether two files of the same size hold the same bytes. What is a hole in both is not read. */
export async function sameContent(
  [a, b]: readonly [BytePath, BytePath],
  [first, second]: readonly [Stats, Stats],
): Promise<boolean> {
  if (first.blocks === 0 && second.blocks === 0) return true;
  const files = [openSync(asBytes(a), 'r')];
  try {
    files.push(openSync(asBytes(b), 'r'));
    const pair = [files[0] ?? -1, files[1] ?? -1] as const;
    const inHoles = Math.min(...[first, second].map(({size, blocks}) => size - blocks * 512));
    return await (inHoles > MANY_IN_HOLES ? sameData(pair) : sameBytes(pair));
  } finally {
    files.forEach(closeSync);
  }
}

async function sameBytes([a, b]: readonly [number, number]): Promise<boolean> {
  const pauses = new Pauses(endable());
  for (;;) {
    const [read, other] = [fill(a, ONE), fill(b, OTHER)];
    if (read !== other || ONE.compare(OTHER, 0, other, 0, read) !== 0) return false;
    if (read < CHUNK_BYTES) return true;
    await pauses.now();
  }
}

/** Reads until the buffer is full or the file ends; read(2) may return less than asked for. */
function fill(fd: number, buffer: Buffer): number {
  let filled = 0;
  while (filled < buffer.length) {
    const read = readSync(fd, buffer, filled, buffer.length - filled, null);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/** Where data begins (SEEK_DATA, 3) and ends (SEEK_HOLE, 4), of which Node knows nothing: lseek(2). ENXIO: no more. */
const COMPARE = `
my @files;
for (0, 1) { open $files[$_], '<&=', $_ or exit 2 }
my $size = -s $files[0];
my $at = 0;
sub place { my $found = sysseek $_[0], $at, $_[1]; defined $found ? $found + 0 : $! == 6 ? $size : exit 2 }
while ($at < $size) {
  my @begins = map { place($_, 3) } @files;
  my $first = $begins[0] <= $begins[1] ? 0 : 1;
  $at = $begins[$first];
  last if $at >= $size;
  my $end = place($files[$first], 4);
  while ($at < $end) {
    my $count = $end - $at > 262144 ? 262144 : $end - $at;
    my @pieces;
    for (@files) {
      defined sysseek($_, $at, 0) && defined sysread($_, my $piece, $count) or exit 2;
      push @pieces, $piece;
    }
    exit 1 if $pieces[0] ne $pieces[1];
    length $pieces[0] or exit 0;
    $at += length $pieces[0];
  }
}
`;

/** perl(1) gets the files as its standard input and output, from both of which it reads. */
async function sameData([stdin, stdout]: readonly [number, number]): Promise<boolean> {
  const child = new Child('perl', ['-e', COMPARE], [stdin, stdout]);
  const {code, stderr} = await stoppable(child.ended, endable(), () => child.kill());
  const failing = 'two files cannot be compared';
  if (code > 1) {
    const death = deathOf(failing, {code, stderr});
    throw death ?? new ChrootctlError('FAILED', `${failing}: ${stderr.trim()}`, {hint: remedyIn(stderr)});
  }
  return code === 0;
}
