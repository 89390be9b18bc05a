/** What a Debian package says in /usr/share/doc about itself: copyright and changelog. */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {CHECKOUT, DIST, manifest} from './checkout.ts';

export const MAINTAINER = 'chrootctl developers <chrootctl@example.org>';

/** An npm package that is in the bundles. */
export interface Bundled {
  name: string;
  version: string;
  /** SPDX, as the package says it. */
  license: string;
  /** Its own file. */
  text: string;
}

/** @throws Error when one comes without its licence, which has to go along */
export function bundledPackages(): Bundled[] {
  const directories = JSON.parse(readFileSync(join(DIST, 'packages.json'), 'utf8')) as string[];
  return directories.map((relative) => {
    const directory = join(CHECKOUT, relative);
    const about = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Bundled;
    const file = readdirSync(directory).find((name) => /^(?:licen[cs]e|copying)/i.test(name));
    if (file === undefined) throw new Error(`${about.name} has no file with its licence`);
    return {...about, text: readFileSync(join(directory, file), 'utf8').trim()};
  });
}

/** The licences of all bundled packages, to be read by people. */
export function thirdPartyLicences(): string {
  const parts = bundledPackages().map(
    ({name, version, license, text}) => `## ${name} ${version} (${license})\n\n${text}\n`,
  );
  return `# Licences of the packages that are part of chrootctl's bundles\n\n${parts.join('\n')}`;
}

/** debian/copyright, in the machine-readable form (DEP-5). */
export function copyright(): string {
  const own = `Files: *
Copyright: the chrootctl developers
License: Apache-2.0
`;
  const runtime = readFileSync(join(CHECKOUT, 'scripts/package/runtime-licence.txt'), 'utf8');
  const program = `Files: usr/lib/chrootctl/dist/chrootctl
Copyright: the chrootctl developers, those of Bun, and those whom the licences of the npm packages name
License: Apache-2.0 and Bun and npm-packages

License: Bun
${field(runtime)}

License: npm-packages
${field(bundledPackages().map(licenceText).join('\n\n'))}
`;
  const apache = `License: Apache-2.0
 On Debian systems the text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`;
  const head = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: chrootctl
Comment: The program holds Bun, which runs it, and some npm packages.
`;
  return [head, own, program, apache].join('\n');
}

/** What is said of a package; the Apache License itself is in every Debian. */
function licenceText({name, version, license, text}: Bundled): string {
  const words = license === 'Apache-2.0' ? 'See the Apache License below.' : text;
  return `The npm package ${name} ${version} (${license}):\n\n${words}`;
}

/** A text as the lines that follow a field of a control file. */
function field(text: string): string {
  return text
    .trim()
    .split('\n')
    .map((line) => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');
}

/** The newest section of CHANGELOG.md as debian/changelog has it. `date`: seconds since 1970. */
export function debianChangelog(version: string, date: number): string {
  const text = readFileSync(join(CHECKOUT, 'CHANGELOG.md'), 'utf8');
  const [, section = ''] = text.split(/^## .*$/m);
  const items = section
    .split(/^- /m)
    .slice(1)
    .map(
      (item) =>
        item
          .split(/\n(?! {2}\S)/)[0]
          ?.replace(/\s+/g, ' ')
          .trim() ?? '',
    );
  const changes = (items.length === 0 ? ['New release.'] : items).map(wrapped).join('\n');
  const when = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  return `${manifest().name} (${version}) unstable; urgency=medium\n\n${changes}\n\n -- ${MAINTAINER}  ${when}\n`;
}

/** An item, in lines of at most 79 characters. */
function wrapped(item: string): string {
  const lines = ['  *'];
  for (const word of item.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last.length + word.length > 78) lines.push(`    ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}
