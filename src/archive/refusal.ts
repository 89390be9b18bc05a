/** How an archive is refused. Names in archives are bytes; here they travel as latin1 strings, one char a byte. */
import {ChrootctlError} from '../errors.ts';

/** The error for an archive that is corrupt, hostile or of the wrong kind. */
export function refusal(message: string, hint?: string): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', message, {
    hint: hint ?? 'nothing was imported; get the archive again from a source that you trust',
  });
}

/** A name as a person can read it on one line: quoted, UTF-8 where it is, other bytes and controls escaped. */
export function shown(name: string): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  // Terminal escape sequences in a name must not reach a terminal.
  return JSON.stringify(short).replace(
    /[\u007f-\u009f]/g,
    (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
  );
}
