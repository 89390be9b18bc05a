/** Debian and Ubuntu roots, made by mmdebstrap(1) from the packages of the host's own mirror. */
import {chmodSync, copyFileSync, existsSync, lstatSync, mkdirSync, readdirSync, rmSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {renderDeb822, type AptSource} from './bootstrap/apt-sources.ts';
import {chooseSources} from './bootstrap/choose.ts';
import {bootstrapFailure} from './bootstrap/failure.ts';
import {hostSettings, hostSources, thisHost} from './bootstrap/host-apt.ts';
import {lookUpSuite} from './bootstrap/suites.ts';
import {ChrootctlError} from './errors.ts';
import {missingCertificates} from './sandbox/certificates.ts';
import {bound, separated} from './system/bubblewrap.ts';
import {throwIfAborted} from './system/interruption.ts';
import {attempt} from './system/programs.ts';

export const VARIANTS = [
  'extract',
  'custom',
  'essential',
  'apt',
  'required',
  'minbase',
  'buildd',
  'important',
  'debootstrap',
  'standard',
] as const;

export interface BootstrapOptions {
  /** A mirror's address, or a one-line apt source (`deb …`). Default: the host's own sources. */
  mirror?: string | undefined;
  /** A variant of mmdebstrap(1). Default: minbase. */
  variant?: string | undefined;
  /** Packages beyond the variant's. */
  include?: readonly string[] | undefined;
  /** Default: those of the host's sources; `main` for a mirror given by its address. */
  components?: readonly string[] | undefined;
  /** Stops the work; its reason is what is thrown then. */
  signal?: AbortSignal | undefined;
  /** Called with each line that mmdebstrap prints about its steps. */
  onProgress?: ((line: string) => void) | undefined;
}

/**
 * Makes a root of `suite` in `directory`, which exists and is empty. Everything runs in pid and mount namespaces
 * that end with this process: an interrupted bootstrap leaves files, but neither mounts nor processes.
 * @throws ChrootctlError USAGE, NOT_PERMITTED unless root, FAILED
 */
export async function bootstrap(
  suite: string,
  directory: string,
  options: BootstrapOptions = {},
): Promise<void> {
  checkWords(suite, options);
  if (process.geteuid?.() !== 0) {
    throw new ChrootctlError('NOT_PERMITTED', 'only root can bootstrap', {
      hint: 'use sudo, or import a root made elsewhere',
    });
  }
  const sources = options.mirror === undefined ? sourcesFor(suite, options) : [];
  const settings = await hostSettings();
  const target = resolve(directory);
  chmodSync(target, 0o755);
  const {code, stderr} = await attempt(
    'bwrap',
    [...enclosed(target), ...mmdebstrap(suite, target, options, sources, settings.options)],
    {
      ...(options.signal === undefined ? {} : {cancelSignal: options.signal}),
      stdin: 'pipe',
      input: renderDeb822(sources),
      // Variables of the caller come first, as with apt itself.
      env: {...settings.environment, ...callersWish(process.env)},
      stderr: function* (line: unknown) {
        const text = String(line);
        options.onProgress?.(text.replace(/^I: /, ''));
        yield text;
      },
    },
  );
  throwIfAborted(options.signal);
  if (code !== 0) throw bootstrapFailure(suite, stderr);
  removeDevices(join(target, 'dev'));
  for (const source of sources) copyKeyring(source, target);
  const missing = missingCertificates([target]);
  if (missing !== undefined) options.onProgress?.(missing);
}

function sourcesFor(suite: string, {components}: BootstrapOptions): AptSource[] {
  const chosen = chooseSources(hostSources(), suite, thisHost(), lookUpSuite(suite), components);
  if (chosen.length > 0) return chosen;
  throw new ChrootctlError('USAGE', `none of this host's apt sources can carry ${suite}`, {
    hint: 'name a mirror that does with --mirror',
  });
}

/** What could be taken for an option, or for something else than it is meant as, is refused before anything runs. */
function checkWords(
  suite: string,
  {mirror, variant = 'minbase', include = [], components = []}: BootstrapOptions,
): void {
  if (!/^[a-z0-9][a-z0-9.+-]*$/i.test(suite))
    throw usage(`${JSON.stringify(suite)} is not the name of a suite`, 'such as stable, sid or a code name');
  if (!(VARIANTS as readonly string[]).includes(variant))
    throw usage(`there is no variant ${JSON.stringify(variant)}`, `one of ${VARIANTS.join(', ')}`);
  const bad = [...include, ...components].find((word) => !/^[a-z0-9][^\s,]*$/i.test(word));
  if (bad !== undefined)
    throw usage(
      `${JSON.stringify(bad)} is not the name of a package or component`,
      'give names, separated by commas',
    );
  if (mirror !== undefined && !/^(deb\s|[a-z][a-z0-9+.-]*:)[^\n]*$/i.test(mirror)) {
    throw usage(
      `${JSON.stringify(mirror)} is no mirror`,
      'give its address with the scheme, or a one-line apt source',
    );
  }
}

function usage(message: string, hint: string): ChrootctlError {
  return new ChrootctlError('USAGE', message, {hint});
}

/** The host as it is, but with mounts, processes and temporary files of its own. */
function enclosed(target: string): string[] {
  return [
    ...separated({names: false}),
    ...bound('dev', '/'),
    ...['--proc', '/proc'],
    ...['--tmpfs', '/var/tmp', '--setenv', 'TMPDIR', '/var/tmp'],
    // The target may be below that. A dev-bind, because packages' scripts write to its /dev/null.
    ...bound('dev', target),
    '--',
  ];
}

function mmdebstrap(
  suite: string,
  target: string,
  options: BootstrapOptions,
  sources: readonly AptSource[],
  settings: readonly string[],
): string[] {
  const {mirror, variant = 'minbase', include = [], components = []} = options;
  const addresses = [mirror ?? '', ...sources.flatMap(({uris}) => uris)];
  // Without it the root could not fetch its next update.
  const certificates =
    addresses.some((address) => address.includes('https:')) && !/^(extract|custom)$/.test(variant);
  // As in debootstrap's minbase; Ubuntu's priorities leave it out.
  const apt = variant === 'minbase';
  const packages = [...include, ...(apt ? ['apt'] : []), ...(certificates ? ['ca-certificates'] : [])];
  return [
    'mmdebstrap',
    '--mode=root',
    '--format=directory',
    `--variant=${variant}`,
    ...(packages.length > 0 ? [`--include=${packages.join(',')}`] : []),
    ...(mirror !== undefined && components.length > 0 ? [`--components=${components.join(',')}`] : []),
    ...settings.map((setting) => `--aptopt=${setting}`),
    '--',
    suite,
    target,
    mirror ?? '-',
  ];
}

/** What of our caller's environment is about the root that is made: the way to the archive, and reproducible times. */
function callersWish(environment: NodeJS.ProcessEnv): Record<string, string> {
  const entries = Object.entries(environment).filter(([name]) =>
    /^(?:https?_proxy|APT_CONFIG|SOURCE_DATE_EPOCH)$/.test(name),
  );
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? '']));
}

/** Whatever runs in the root brings a /dev of its own; nodes in an image would only hinder those who unpack it. */
function removeDevices(directory: string): void {
  if (lstatSync(directory, {throwIfNoEntry: false})?.isDirectory() !== true) return;
  for (const entry of readdirSync(directory, {withFileTypes: true})) {
    if (entry.isCharacterDevice() || entry.isBlockDevice()) rmSync(join(directory, entry.name));
  }
}

/** A keyring that no package brings must be in the root, or its apt trusts its own sources no longer. */
function copyKeyring({fields}: AptSource, target: string): void {
  const path = fields['Signed-By']?.trim() ?? '';
  if (!path.startsWith('/') || path.includes('\n') || !existsSync(path) || existsSync(join(target, path)))
    return;
  mkdirSync(dirname(join(target, path)), {recursive: true});
  copyFileSync(path, join(target, path));
}
