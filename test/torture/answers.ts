/** What chrootctl prints with --json, as far as the checker reads it. */
export interface Committed {
  image: string;
  version: string;
  tags: string[];
  parent: string | null;
}

export interface ListedVersion extends Committed {
  message: string;
}

export interface Moved {
  image: string;
  tag: string;
  from: string | null;
  to: string | null;
}

export interface HistoryEntry {
  time: string;
  tag: string;
  from: string | null;
  to: string | null;
  action: string;
}

export interface Failure {
  code: string;
  message: string;
  hint?: string;
}

interface Said {
  stdout: string;
  stderr: string;
}

/** The answer on standard output; of `run` and `update`, whose output is their command's, beside it. */
export function answerOf({stdout, stderr}: Said): unknown {
  return parsed(stdout) ?? parsed(stderr);
}

export function failureOf({stdout, stderr}: Said): Failure | undefined {
  for (const text of [stdout, stderr]) {
    const at = text.lastIndexOf('{\n  "error": {');
    const failure = at < 0 ? undefined : (parsed(text.slice(at)) as {error: Failure} | undefined);
    if (failure !== undefined) return failure.error;
  }
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Not JSON: the other stream has it, or nobody.
  }
}
