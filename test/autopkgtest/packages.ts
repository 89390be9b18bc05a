/** Small source packages with tests of their own. */
import {execFileSync} from 'node:child_process';
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';

interface Tried {
  /** Each a script, with its fields in debian/tests/control. */
  tests: Readonly<Record<string, {script: string; restrictions?: string; depends?: string}>>;
}

const RULES = `#!/usr/bin/make -f
build build-arch:
	printf 'int puts(const char *); int main(void) { puts("Hello"); return 0; }' | cc -x c -o hello -
build-indep binary-indep:
clean:
	rm -rf hello debian/files debian/NAME
binary-arch binary: build
	mkdir -p debian/NAME/DEBIAN debian/NAME/usr/bin
	cp hello debian/NAME/usr/bin/NAME
	dpkg-gencontrol -pNAME -Pdebian/NAME
	dpkg-deb --root-owner-group --build debian/NAME ..
`;

/** Makes the source tree \`name\` in \`directory\`. Gives its path. */
export function sourceTree(directory: string, name: string, {tests}: Tried = {tests: {}}): string {
  const tree = join(directory, `${name}-1`);
  const put = (path: string, text: string, mode = 0o644): void => {
    const file = join(tree, 'debian', path);
    mkdirSync(dirname(file), {recursive: true});
    writeFileSync(file, text.replaceAll('NAME', name));
    chmodSync(file, mode);
  };
  put(
    'control',
    'Source: NAME\nSection: misc\nPriority: optional\nMaintainer: Nobody <nobody@example.org>\nStandards-Version: 4.6.2\n' +
      'Rules-Requires-Root: no\n\nPackage: NAME\nArchitecture: any\nDescription: something to try\n',
  );
  put(
    'changelog',
    'NAME (1) unstable; urgency=medium\n\n  * First.\n\n -- Nobody <nobody@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n',
  );
  put('source/format', '3.0 (native)\n');
  put('rules', RULES, 0o755);
  for (const [test, {script}] of Object.entries(tests))
    put(`tests/${test}`, `#!/bin/sh\nset -e\n${script}\n`, 0o755);
  const stanzas = Object.entries(tests).map(
    ([test, {restrictions, depends = ''}]) =>
      `Tests: ${test}\nDepends: ${depends}\n${restrictions === undefined ? '' : `Restrictions: ${restrictions}\n`}`,
  );
  if (stanzas.length > 0) put('tests/control', stanzas.join('\n'));
  return tree;
}

/** Packs it. Gives the path of the .dsc. */
export function sourcePackage(directory: string, name: string): string {
  execFileSync('dpkg-source', ['--build', sourceTree(directory, name)], {cwd: directory, stdio: 'ignore'});
  return join(directory, `${name}_1.dsc`);
}
