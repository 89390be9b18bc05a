/**
 * `--commit[=TAG]`: a flag whose value is optional, which the framework's parser does not know. Its long form with a
 * value is turned into another flag before parsing.
 */
export function takeCommitFlag(argv: readonly string[]): string[] {
  return argv.flatMap((word) =>
    word.startsWith('--commit=') ? ['--commit', '--commit-tag', word.slice('--commit='.length)] : [word],
  );
}
