/**
 * Every failure that chrootctl foresees is a ChrootctlError: a code that scripts can test, a message of what
 * happened and a hint of what to do next. Exit codes follow from the code, here and nowhere else.
 */
import {getSystemErrorMap} from 'node:util';
import {hasProc, moreRights, NO_PROC} from './system/rights.ts';

/** Code of an error and the exit code that a command ends with because of it. */
export const EXIT_CODES = {
  FAILED: 1,
  USAGE: 2,
  NOT_FOUND: 3,
  CONFLICT: 4,
  BUSY: 5,
  NOT_PERMITTED: 6,
  BAD_INPUT: 7,
  /** What was asked for is done; something that comes after it is not. */
  INCOMPLETE: 8,
} as const;

export type ErrorCode = keyof typeof EXIT_CODES;

export interface ErrorDetails {
  /** What the user can do now, one line, without a full stop at the end. */
  hint?: string | undefined;
  cause?: unknown;
}

export class ChrootctlError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** What failed besides, on the way out. */
  readonly also: string[] = [];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : {cause: details.cause});
    this.name = 'ChrootctlError';
    this.code = code;
    this.hint = details.hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }

  /** The same error, telling of another one that came while it was dealt with. */
  with(other: unknown): this {
    this.also.push(messageOf(other));
    return this;
  }

  toJSON(): {code: ErrorCode; message: string; hint?: string; also?: string[]} {
    return {
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : {hint: this.hint}),
      ...(this.also.length === 0 ? {} : {also: this.also}),
    };
  }
}

/** `error`, when what it calls for is done; where that fails too, it tells of both. */
export async function afterwards(error: unknown, work: () => unknown): Promise<unknown> {
  try {
    await work();
    return error;
  } catch (another) {
    return toChrootctlError(error).with(another);
  }
}

/**
 * The errno name (`ENOENT`, `ENOSPC`, …) of a Node system error, if it is one. Told by its fields: under a test
 * runner or another vm context, Node's own errors are no instances of the Error that is seen here.
 */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || !('syscall' in error))
    return undefined;
  // Node has no name for it.
  if ('errno' in error && error.errno === -EDQUOT) return 'EDQUOT';
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** Linux's number (errno(3)). */
const EDQUOT = 122;

/** What to do when there is no space left. */
export const FREE_SPACE = 'free some space (chrootctl prune, chrootctl gc) and try again; nothing was lost';

const SYSTEM_ERRORS: Partial<Record<string, {code: ErrorCode; hint: () => string}>> = {
  EACCES: {code: 'NOT_PERMITTED', hint: forStore},
  EPERM: {code: 'NOT_PERMITTED', hint: forStore},
  EROFS: {code: 'NOT_PERMITTED', hint: () => 'the file system is mounted read-only'},
  ENOSPC: {code: 'FAILED', hint: () => FREE_SPACE},
  EIO: {code: 'FAILED', hint: () => 'a disk fails, or what leads to it: the kernel log (dmesg) tells more'},
  EMFILE: {code: 'FAILED', hint: () => 'no more files may be open here: raise the limit (ulimit -n)'},
  ENFILE: {
    code: 'FAILED',
    hint: () => 'no more files may be open on this machine: raise the limit (sysctl fs.file-max)',
  },
  EAGAIN: {
    code: 'FAILED',
    hint: () =>
      'no more processes may be started: raise the limit (ulimit -u, or pids.max of the control group)',
  },
  ENOMEM: {
    code: 'FAILED',
    hint: () => 'there is not enough memory, or not enough is allowed here (ulimit -v, the control group)',
  },
  EFBIG: {code: 'FAILED', hint: () => 'no file may grow as large here: raise the limit (ulimit -f)'},
  E2BIG: {code: 'FAILED', hint: () => 'a command line or an environment is longer than the kernel takes'},
  ENAMETOOLONG: {
    code: 'FAILED',
    hint: () => 'no path that is named as a whole may have more than 4095 bytes',
  },
  EDQUOT: {
    code: 'FAILED',
    hint: () => 'the quota is used up: free some space and try again; nothing was lost',
  },
};

function forStore(): string {
  return process.geteuid?.() === 0
    ? moreRights()
    : `${moreRights()}, or choose a store of your own with --root`;
}

/** Any thrown value as a ChrootctlError; what nobody foresaw stays recognisable by its cause. */
export function toChrootctlError(error: unknown): ChrootctlError {
  if (error instanceof ChrootctlError) return error;
  const errno = errnoOf(error);
  const known = errno === undefined ? undefined : SYSTEM_ERRORS[errno];
  if (known !== undefined)
    return new ChrootctlError(known.code, messageOf(error), {hint: known.hint(), cause: error});
  if (errno === 'ENOENT' && /^\/proc\//.test(pathOf(error)) && !hasProc())
    return new ChrootctlError('FAILED', NO_PROC.what, {hint: NO_PROC.remedy, cause: error});
  return new ChrootctlError('FAILED', messageOf(error), {cause: error});
}

/** What a known errno asks the user to do. */
export function remedyOf(error: unknown): string | undefined {
  return SYSTEM_ERRORS[errnoOf(error) ?? '']?.hint();
}

/** The C library's words for some of them, as programs have them in what they say. */
const WORDS: readonly (readonly [text: string, errno: string])[] = [
  ['no space left on device', 'ENOSPC'],
  ['disk quota exceeded', 'EDQUOT'],
  ['input/output error', 'EIO'],
  ['too many open files in system', 'ENFILE'],
  ['too many open files', 'EMFILE'],
  ['resource temporarily unavailable', 'EAGAIN'],
  ['cannot allocate memory', 'ENOMEM'],
  ['file too large', 'EFBIG'],
  // As a shell tells of a program that died of it.
  ['file size limit exceeded', 'EFBIG'],
];

/** The same for what a program said that could not go on. */
export function remedyIn(complaint: string): string | undefined {
  const text = complaint.toLowerCase();
  const errno = WORDS.find(([words]) => text.includes(words))?.[1];
  return errno === undefined ? undefined : SYSTEM_ERRORS[errno]?.hint();
}

/** What happened, in the system's words: 'no space left on device'. */
export function whyOf(error: unknown): string {
  const known = getSystemErrorMap().get(numberOf(error) ?? 0);
  return known?.[1] ?? messageOf(error);
}

function numberOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'errno' in error ? Number(error.errno) : undefined;
}

/** The path in a Node system error. */
function pathOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'path' in error ? String(error.path) : '';
}

export function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error);
}
