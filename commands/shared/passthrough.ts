/**
 * What follows `--` belongs to the command that is to be run, and goes around the framework's parser, which reorders
 * repeated words.
 */
let rest: readonly string[] | undefined;

/** Splits the raw arguments at the first `--` and keeps what follows; gives what the framework may see. */
export function takePassthrough(argv: readonly string[]): string[] {
  const at = argv.indexOf('--');
  rest = at < 0 ? undefined : argv.slice(at + 1);
  return at < 0 ? [...argv] : argv.slice(0, at);
}

/** The words after `--`; undefined when there was none. */
export function passthrough(): readonly string[] | undefined {
  return rest;
}
