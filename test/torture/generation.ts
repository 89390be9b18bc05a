/** What every commit writes: its own name, many times, into several files. A tree with two names in it was torn. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {extract} from 'tar-stream';

export const FILES = 6;
/** Enough that btrfs does not keep the files in its metadata, where there is room longer than for data. */
const LINES = 700;

/** The writing command's exit code when the disk did not take all of it. */
export const NOT_WRITTEN = 77;

const WRITE = `
lines=$(for line in $(seq ${LINES}); do echo "$1"; done)
mkdir -p /gen || exit ${NOT_WRITTEN}
i=0
while [ $i -lt ${FILES} ]; do
  echo "$lines" >/gen/$i || exit ${NOT_WRITTEN}
  i=$((i+1))
done
[ "$(cat /gen/* | sort | uniq -c | tr -s ' ')" = " ${FILES * LINES} $1" ] || exit ${NOT_WRITTEN}
`;

/** A command for the sandbox. */
export function writeCommand(generation: string): string[] {
  return ['sh', '-c', WRITE, 'sh', generation];
}

/** The same into a directory that becomes a root. */
export function writeInto(root: string, generation: string): void {
  mkdirSync(join(root, 'gen'), {recursive: true});
  for (let i = 0; i < FILES; i++) writeFileSync(join(root, 'gen', `${i}`), `${generation}\n`.repeat(LINES));
}

/** A command for the sandbox whose output `generationIn` understands. */
export const READ_COMMAND = ['sh', '-c', 'cat /gen/* | sort | uniq -c'];

/** The generation that a tree was seen to have; undefined when it was more than one, or not all of one. */
export function generationIn(output: string): string | undefined {
  const [, count, generation] = /^ *(\d+) (\S+)\n$/.exec(output) ?? [];
  return Number(count) === FILES * LINES ? generation : undefined;
}

/** The same of a tar of the tree. */
export class GenerationReader {
  readonly tar = extract();
  readonly #files: string[] = [];

  constructor() {
    this.tar.on('entry', (header, stream, next) => {
      const isOurs = header.type === 'file' && /^(?:\.\/)?gen\/\d+$/.test(header.name);
      let text = '';
      stream.on('data', (chunk) => {
        if (isOurs) text += String(chunk);
      });
      stream.on('end', () => {
        if (isOurs) this.#files.push(text);
        next();
      });
    });
  }

  /** Once all of the tar has been read. */
  get generation(): string | undefined {
    const [first = ''] = this.#files;
    const generation = first.split('\n', 1)[0] ?? '';
    const isWhole =
      this.#files.length === FILES && this.#files.every((text) => text === `${generation}\n`.repeat(LINES));
    return isWhole ? generation : undefined;
  }
}
