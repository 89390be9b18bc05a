/** Words of the virtualisation server's protocol: separated by white space or commas, and therefore percent-encoded. */
import {isUtf8} from 'node:buffer';
import {ChrootctlError} from '../errors.ts';

/** What stands for itself: RFC 3986's unreserved characters, and the slash of paths. */
const PLAIN = /^[A-Za-z0-9_.~/-]$/;

export function encodeWord(word: string): string {
  return Array.from(Buffer.from(word), (byte) => {
    const char = String.fromCharCode(byte);
    return PLAIN.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

/** A percent sign that encodes nothing stands for itself. @throws ChrootctlError USAGE for what is no UTF-8 */
export function decodeWord(text: string): string {
  const parts = Array.from(text.matchAll(/%([0-9A-Fa-f]{2})|[^%]+|%/g), ([all, digits]) =>
    digits === undefined ? Buffer.from(all) : Buffer.from(digits, 'hex'),
  );
  const bytes = Buffer.concat(parts);
  if (!isUtf8(bytes)) throw new ChrootctlError('USAGE', `'${text}' is not UTF-8`);
  return bytes.toString();
}

/** The words of a line; none of an empty one. @throws ChrootctlError USAGE */
export function parseLine(line: string): string[] {
  return line
    .split(/[ \t\r\n\f\v]+/)
    .filter((text) => text !== '')
    .map(decodeWord);
}

/** A command line as one word. */
export function encodeCommand(words: readonly string[]): string {
  return words.map(encodeWord).join(',');
}
