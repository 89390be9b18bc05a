/** Opaque ids: short, lower-case, safe in paths and mount options. */
import {closeSync, openSync, readSync} from 'node:fs';

/** Crockford's base 32 in lower case: no i, l, o, u. Sorts as the numbers do. */
const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 6;

/** 50 bits. */
const ID_DIGITS = 10;

/** Random id of a volume or session. */
export function randomId(digits = ID_DIGITS): string {
  return Array.from(randomBytes(digits), (byte) => DIGITS[byte & 31]).join('');
}

/** From the kernel (random(4)): to load node:crypto takes a tenth of the time that a whole run does. */
function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  const fd = openSync('/dev/urandom', 'r');
  try {
    readSync(fd, bytes); // Up to 256 bytes come all at once.
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/**
 * A version id: milliseconds since 1970, then random digits. A version sorts after its parent and after everything
 * in `after`, also when the clock was set back.
 */
export function versionId(after: string | null = null, now = Date.now()): string {
  const earliest = after === null ? 0 : timeOf(after) + 1;
  return encode(Math.max(now, earliest), TIME_DIGITS) + randomId(RANDOM_DIGITS);
}

/** Whether it may be one that `randomId` made. */
export function isRandomId(text: string): boolean {
  return text.length === ID_DIGITS && isId(text);
}

export function isId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{1,32}$/.test(text);
}

function timeOf(id: string): number {
  return Array.from(id.slice(0, TIME_DIGITS)).reduce((sum, digit) => sum * 32 + DIGITS.indexOf(digit), 0);
}

function encode(value: number, digits: number): string {
  let text = '';
  for (let rest = value; text.length < digits; rest = Math.floor(rest / 32))
    text = (DIGITS[rest % 32] ?? '') + text;
  return text;
}
