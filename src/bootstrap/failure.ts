/** What mmdebstrap and apt print when they fail, as an error that says what to do. */
import {ChrootctlError} from '../errors.ts';
import {lastLine, notStarted} from '../system/programs.ts';
import {isOfBuilders, refusalOf} from '../system/refusal.ts';

const KNOWN: readonly (readonly [RegExp, message: (suite: string) => string, hint: string])[] = [
  [
    /does not have a Release file|404 +Not Found|is not available from/i,
    (suite) => `the mirror has no suite ${suite}`,
    'is the name right? Another mirror can be named with --mirror',
  ],
  [
    /Could not resolve|Temporary failure resolving|Could not connect|Connection (failed|refused|timed out)|Network is unreachable|Unable to connect/i,
    () => 'the mirror cannot be reached',
    'check the network, the proxy and the apt sources of this host, or name another mirror with --mirror',
  ],
  [
    /No space left on device/,
    () => 'there is no space left',
    'free some space and try again; nothing was imported',
  ],
  [
    /NO_PUBKEY|is not signed|signatures? (couldn't be|could not be|were) /i,
    (suite) => `the signature of ${suite} cannot be verified`,
    'install the keyring of the distribution (debian-archive-keyring, ubuntu-keyring)',
  ],
  [
    /Unable to locate package|has no installation candidate|Couldn't find any package/i,
    () => 'a package was not found',
    'check --include and --components',
  ],
  [
    /unmet dependencies|held broken packages/i,
    () => 'the packages cannot be installed together',
    'check --include',
  ],
];

/** The error for a failed mmdebstrap(1) with this standard error. */
export function bootstrapFailure(suite: string, stderr: string): ChrootctlError {
  if (/bwrap: execvp mmdebstrap/.test(stderr)) return notStarted('mmdebstrap', new Error(lastLine(stderr)));
  const failing = `${suite} cannot be bootstrapped`;
  const refusal = isOfBuilders(stderr) ? refusalOf(failing, stderr) : undefined;
  if (refusal !== undefined) return refusal;
  const errors = stderr.split('\n').filter((line) => /^\s*(E|Err|W)(:|:?[0-9]+ )/.test(line));
  for (const [pattern, message, hint] of KNOWN) {
    const line = [...errors, ...stderr.split('\n')].find((text) => pattern.test(text));
    if (line !== undefined) return new ChrootctlError('FAILED', `${message(suite)} (${line.trim()})`, {hint});
  }
  const line = errors.find((text) => text.startsWith('E: ')) ?? lastLine(stderr);
  return (
    refusalOf(failing, line) ??
    new ChrootctlError('FAILED', `${failing}: ${line.replace(/^E: /, '')}`, {
      hint: '--debug shows all that mmdebstrap says',
      cause: new Error(stderr),
    })
  );
}
