/**
 * What each commit of the load writes: one generation into all of a few files, after which comes a part of a program,
 * so that there are blocks of data to lose.
 */
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

export const FILES = 8;
const PART = 8192;

/** A command for the sandbox that writes a generation. */
export function writeCommand(generation: string): string[] {
  const script = [
    'i=0',
    `while [ $i -lt ${FILES} ]`,
    `do { echo "$1"; dd if=/bin/busybox bs=${PART} skip=$i count=1 2>/dev/null; } >/gen/$i`,
    'i=$((i+1))',
    'done',
  ];
  return ['sh', '-c', script.join('\n'), 'sh', generation];
}

/** The same, written into a directory that becomes a root. */
export function writeInto(root: string, generation: string): void {
  const program = readFileSync(join(root, 'bin/busybox'));
  mkdirSync(join(root, 'gen'));
  for (let i = 0; i < FILES; i++) writeFileSync(join(root, 'gen', `${i}`), contentOf(program, i, generation));
}

/** The generation that a tree shows. @throws Error when it is not whole, or not one */
export function generationOf(tree: string): string {
  const program = readFileSync(join(tree, 'bin/busybox'));
  const names = readdirSync(join(tree, 'gen')).sort();
  const files = names.map((name) => readFileSync(join(tree, 'gen', name)));
  const generations = new Set(files.map((file) => file.toString('latin1').split('\n', 1)[0]));
  const [generation] = generations;
  if (files.length !== FILES || generation === undefined || generations.size !== 1)
    throw new Error(`${files.length} files with the generations ${[...generations].join(', ')}`);
  for (const [i, file] of files.entries())
    if (!file.equals(contentOf(program, i, generation))) throw new Error(`/gen/${i} is damaged`);
  return generation;
}

function contentOf(program: Buffer, i: number, generation: string): Buffer {
  return Buffer.concat([Buffer.from(`${generation}\n`), program.subarray(i * PART, (i + 1) * PART)]);
}
