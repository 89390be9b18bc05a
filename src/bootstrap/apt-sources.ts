/** apt's source lists, both formats, as data (sources.list(5)). */

/** One stanza. */
export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  /** The other fields under their deb822 names, such as `Signed-By`; a value may have several lines. */
  fields: Record<string, string>;
}

/** Options of the one-line format whose deb822 name is not just another spelling. */
const FIELD_NAMES: Partial<Record<string, string>> = {
  arch: 'Architectures',
  lang: 'Languages',
  target: 'Targets',
  pdiffs: 'PDiffs',
};

/** Reads a `.list` file. Lines that are not `deb` lines with a suite and components are left out. */
export function parseOneLine(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S.*)$/.exec(line.replace(/#.*/, ''));
    const [uri, suite, ...components] = words(match?.[2] ?? '');
    // cdrom:[a label with spaces]/ cannot serve here.
    if (uri === undefined || suite === undefined || components.length === 0 || uri.startsWith('cdrom:'))
      return [];
    return [{uris: [uri], suites: [suite], components, fields: fieldsOf(match?.[1] ?? '')}];
  });
}

function fieldsOf(options: string): Record<string, string> {
  const fields = words(options).flatMap((option): [string, string][] => {
    const match = /^([a-z][a-z-]*?)([+-]?)=(.+)$/i.exec(option);
    if (match === null) return [];
    const [, name = '', sign = '', value = ''] = match;
    const suffix = sign === '+' ? '-Add' : sign === '-' ? '-Remove' : '';
    return [[(FIELD_NAMES[name.toLowerCase()] ?? capitalised(name)) + suffix, value.replaceAll(',', ' ')]];
  });
  return Object.fromEntries(fields);
}

/** Reads a `.sources` file. Disabled stanzas and those without binary packages are left out. */
export function parseDeb822(text: string): AptSource[] {
  return stanzas(text).flatMap((stanza) => {
    const {
      Types: types = '',
      URIs: uris = '',
      Suites: suites = '',
      Components: components = '',
      ...fields
    } = stanza;
    const enabled = !/^(no|false|without|off|disable|0)$/i.test((fields['Enabled'] ?? 'yes').trim());
    delete fields['Enabled'];
    if (!enabled || !words(types).includes('deb') || words(uris).length === 0 || words(suites).length === 0)
      return [];
    if (words(components).length === 0) return [];
    return [{uris: words(uris), suites: words(suites), components: words(components), fields}];
  });
}

/** The text of a `.sources` file with these sources. */
export function renderDeb822(sources: readonly AptSource[]): string {
  return sources
    .map(({uris, suites, components, fields}) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components.join(' ')}`,
        ...Object.entries(fields).map(([name, value]) => `${name}:${/^\s/.test(value) ? '' : ' '}${value}`),
        '',
      ].join('\n'),
    )
    .join('\n');
}

/** Field names are the same in any case. */
const KNOWN = ['Types', 'URIs', 'Suites', 'Components', 'Enabled', 'Signed-By', 'Architectures'];

function stanzas(text: string): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  let current: Record<string, string> = {};
  let last: string | undefined;
  for (const line of [...text.split('\n').filter((line) => !line.startsWith('#')), '']) {
    const field = /^([!-9;-~]+):(.*)$/.exec(line);
    if (line.trim() === '') {
      if (Object.keys(current).length > 0) found.push(current);
      current = {};
      last = undefined;
    } else if (/^[ \t]/.test(line)) {
      if (last !== undefined) current[last] = `${current[last] ?? ''}\n${line.trimEnd()}`;
    } else if (field !== null) {
      const name = field[1] ?? '';
      last = KNOWN.find((known) => known.toLowerCase() === name.toLowerCase()) ?? name;
      current[last] = (field[2] ?? '').trim();
    }
  }
  return found;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function capitalised(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
