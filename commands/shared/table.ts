/** What is longer, as the tags of a version that has thousands, does not make the other rows as wide. */
const WIDEST_COLUMN = 80;

/** Aligned columns, in docker's style: capital headings, three spaces between. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => widthOf(all, column));
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  );
}

function widthOf(rows: readonly (readonly string[])[], column: number): number {
  return rows
    .map((row) => (row[column] ?? '').length)
    .filter((length) => length <= WIDEST_COLUMN)
    .reduce((widest, length) => Math.max(widest, length), 0);
}

/** Control characters must not reach a terminal from a name or a message. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
