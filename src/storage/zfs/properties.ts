/**
 * Texts of any length as user properties. A value has at most 4095 bytes for zfs(8) (8191 for the kernel), so a longer
 * one goes on in properties of its own: `NAME`, `NAME.1`, `NAME.2`, the first one beginning with their number.
 */
import {ChrootctlError} from '../../errors.ts';

const CHUNK = 4000;

/** Property and value, one after another. */
export type Assignment = readonly [property: string, value: string];

export function assignments(property: string, text: string): Assignment[] {
  // Nothing but ASCII, so that characters are bytes; without white space that a line of output could end at.
  const ascii = text.replace(/[^\x20-\x7e]/g, escaped);
  const chunks = [ascii.slice(0, CHUNK)];
  for (let at = CHUNK; at < ascii.length; at += CHUNK) chunks.push(ascii.slice(at, at + CHUNK));
  return chunks.map((chunk, index) =>
    index === 0 ? [property, `${chunks.length}:${chunk}`] : [`${property}.${index}`, chunk],
  );
}

/**
 * The text again. What was written as JSON is JSON: only characters within its strings are escaped.
 * @returns undefined where there is none
 * @throws ChrootctlError BAD_INPUT when a part is missing
 */
export function textOf(property: string, values: ReadonlyMap<string, string>): string | undefined {
  const first = values.get(property);
  if (first === undefined) return undefined;
  const [, count, beginning = ''] = /^(\d+):(.*)$/s.exec(first) ?? [];
  const rest = Array.from({length: Number(count) - 1}, (_, index) => values.get(`${property}.${index + 1}`));
  if (count === undefined || rest.includes(undefined)) {
    throw new ChrootctlError('BAD_INPUT', `the property ${property} is damaged: ${first.slice(0, 40)}`, {
      hint: 'zfs get all shows what there is; somebody must have changed it',
    });
  }
  return beginning + rest.join('');
}

/** As JSON has it, in UTF-16 units. */
function escaped(char: string): string {
  return Array.from(
    {length: char.length},
    (_, at) => `\\u${char.charCodeAt(at).toString(16).padStart(4, '0')}`,
  ).join('');
}
