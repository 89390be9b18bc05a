/** What is longer, as the tags of a version that has thousands, does not make the other rows as wide. */
const WIDEST_COLUMN = 80;

/** Aligned columns, in docker's style: capital headings, three spaces between. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = headings.map(({length}, column) => widthOf(rows, column, length));
  const last = widths.length - 1;
  return [headings, ...rows].map((row) =>
    row
      .map((cell, column) => (column < last ? cell.padEnd(widths[column] ?? 0) : cell))
      .join('   ')
      .trimEnd(),
  );
}

function widthOf(rows: readonly (readonly string[])[], column: number, least: number): number {
  let widest = least;
  for (const row of rows) {
    const length = row[column]?.length ?? 0;
    if (length > widest && length <= WIDEST_COLUMN) widest = length;
  }
  return widest;
}

/** Control characters must not reach a terminal from a name or a message. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
