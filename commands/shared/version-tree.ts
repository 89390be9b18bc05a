/** Which version was made from which, drawn as tree(1) does. */
import type {ListedVersion} from '../../src/images/list.ts';
import {formatSize} from '../../src/units.ts';
import {printable} from './table.ts';

export function versionTree(versions: readonly ListedVersion[]): string[] {
  const known = new Set(versions.map(({version}) => version));
  const children = Map.groupBy(versions.toReversed(), ({parent}) =>
    parent !== null && known.has(parent) ? parent : null,
  );
  const lines: string[] = [];
  // A stack rather than recursion: a line of 10,000 versions is as deep.
  const stack = (children.get(null) ?? []).toReversed().map((version) => ({version, branch: '', indent: ''}));
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    lines.push(at.branch + describe(at.version));
    const below = children.get(at.version.version) ?? [];
    // A line of single heirs goes straight down: only where it forks does the tree grow to the right.
    const forks = below.length > 1;
    const indent = at.indent;
    for (const [index, version] of [...below.entries()].reverse()) {
      const last = index === below.length - 1;
      stack.push(
        forks
          ? {version, branch: `${indent}${last ? '└─ ' : '├─ '}`, indent: `${indent}${last ? '   ' : '│  '}`}
          : {version, branch: `${indent}│ `, indent},
      );
    }
  }
  return lines;
}

function describe({image, version, tags, size, message}: ListedVersion): string {
  const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`;
  return `${image}@${version}${names}  ${formatSize(size)}  ${printable(message.split('\n')[0] ?? '')}`.trimEnd();
}
