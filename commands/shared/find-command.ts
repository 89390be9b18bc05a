/** Which command the words of a command line mean. */

export interface Found {
  /** As the framework writes it: `session:begin`. */
  id: string;
  /** How many of the words name it. */
  depth: number;
}

/** Flags that every command knows (base.ts): they may stand before the command too, as in docker and git. */
const GLOBAL_FLAGS = new Set(['--json', '--quiet', '-q', '--debug']);
const GLOBAL_OPTIONS = new Set(['--root', '--driver']);

/** The same words with the command first and the global flags that stood before it behind its name. */
export function commandFirst(words: readonly string[], ids: readonly string[]): readonly string[] {
  let at = 0;
  for (let word = words[at]; word !== undefined; word = words[at]) {
    if (GLOBAL_FLAGS.has(word) || /^--(?:root|driver)=/.test(word)) at += 1;
    else if (GLOBAL_OPTIONS.has(word)) at += 2;
    else break;
  }
  const rest = words.slice(at);
  const depth = findCommand(rest, ids)?.depth ?? 1;
  return at === 0 ? words : [...rest.slice(0, depth), ...words.slice(0, at), ...rest.slice(depth)];
}

/** The command that `words` begin with: `session begin`, or `session:begin`. */
export function findCommand(words: readonly string[], ids: readonly string[]): Found | undefined {
  for (const depth of [2, 1]) {
    const id = words.slice(0, depth).join(':');
    if (words.length >= depth && ids.includes(id)) return {id, depth};
  }
  return undefined;
}

/** Whether `word` is the first word of commands of two. */
export function isTopic(word: string | undefined, ids: readonly string[]): boolean {
  return word !== undefined && ids.some((id) => id.startsWith(`${word}:`));
}

/** `--help` counts wherever it stands before a `--`. */
export function asksForHelp(words: readonly string[]): boolean {
  return (
    words.length === 0 || words[0] === 'help' || words.some((word) => word === '--help' || word === '-h')
  );
}
