/** Which of the host's apt sources a new root of a suite is made from. */
import type {AptSource} from './apt-sources.ts';
import type {Suite} from './suites.ts';

export interface Host {
  /** ID of os-release(5), such as `debian`. */
  distribution: string;
  /** VERSION_CODENAME of os-release(5); missing on some development versions. */
  codename: string | undefined;
}

/** Until buster the security suite was called otherwise (release notes of Debian 11, 5.1.2). */
const OLD_SECURITY = ['jessie', 'stretch', 'buster'];

/**
 * The host's sources that carry its own distribution, turned to `suite`: the suite itself, and its updates and
 * security suites where the host has such and they exist. Third parties' sources, backports and proposed updates stay
 * out. Empty when the host's sources cannot carry the suite.
 */
export function chooseSources(
  sources: readonly AptSource[],
  suite: string,
  host: Host,
  known: Suite | undefined,
  components?: readonly string[],
): AptSource[] {
  // A distribution's own archive has a component main; many a vendor's has not.
  const candidates = sources.filter((source) => source.components.includes('main'));
  const home = [suite, host.codename, 'stable', 'testing', 'unstable', 'sid']
    .filter((name) => name !== undefined)
    .find((name) => candidates.some(({suites}) => suites.includes(name)));
  if (home === undefined) return [];
  const ofHost = home === suite || known === undefined || known.distribution === host.distribution;
  if (!ofHost) return [];
  const bases = official(
    candidates.filter(({suites}) => suites.includes(home)),
    host,
  );
  const more = suite === home || known?.released === true || host.distribution === 'ubuntu';
  const others = official(
    candidates.filter(({suites}) => !suites.includes(home)),
    host,
  );
  return [...bases, ...others].flatMap((source) => {
    const suites = source.suites.flatMap((name) => {
      if (name === home) return [suite];
      if (!more) return [];
      if (name === `${home}-updates`) return [`${suite}-updates`];
      if (name === `${home}-security` || name === `${home}/updates`) return [securityOf(suite)];
      return [];
    });
    return suites.length === 0
      ? []
      : [{...source, suites, components: [...(components ?? source.components)]}];
  });
}

/** The distribution's own archive among sources that offer the same suite: by its keyring, else by its path. */
function official(sources: readonly AptSource[], {distribution}: Host): AptSource[] {
  const signed = sources.filter((source) => {
    const keyring = source.fields['Signed-By']?.trim().split('/').at(-1) ?? '';
    return keyring.startsWith(`${distribution}-archive`);
  });
  const named = sources.filter((source) =>
    source.uris.some((uri) => uri.replace(/\/+$/, '').split('/').at(-1)?.startsWith(distribution)),
  );
  if (signed.length > 0) return signed;
  return named.length > 0 ? named : [...sources];
}

function securityOf(suite: string): string {
  return OLD_SECURITY.includes(suite) ? `${suite}/updates` : `${suite}-security`;
}
