// Makes the packages, in release/:
//   npm run package -- [--arch amd64|arm64]... [--check] [--tour SUITE]... [--mirror SOURCE]
//     --arch    only the Debian package of that architecture (default: all, and the npm package)
//     --check   has lintian and piuparts look at the one of this machine's architecture (as root)
//     --tour    installs that one in a fresh root of SUITE and does the README's tour in it (as root)
//     --mirror  where the roots for the tours come from, as bootstrap has it (default: the host's apt sources)
// Ends with 1 when a check fails.
import {mkdirSync, statSync} from 'node:fs';
import {join, relative} from 'node:path';
import {parseArgs} from 'node:util';
import {ARCHITECTURES, isOwn, type Architecture} from './package/architecture.ts';
import {CHECKOUT, say} from './package/checkout.ts';
import {lintian, piuparts} from './package/check.ts';
import {buildDeb} from './package/deb.ts';
import {buildNpm} from './package/npm.ts';
import {tour} from './package/tour.ts';

const {values} = parseArgs({
  options: {
    arch: {type: 'string', multiple: true},
    check: {type: 'boolean'},
    tour: {type: 'string', multiple: true},
    mirror: {type: 'string'},
  },
});
const release = join(CHECKOUT, 'release');
mkdirSync(release, {recursive: true});

let own: string | undefined;
for (const architecture of wanted(values.arch)) {
  const file = await buildDeb(architecture, release);
  report(file);
  if (isOwn(architecture)) own = file;
}
if (values.arch === undefined) report(buildNpm(release));

const checks: (() => boolean | Promise<boolean>)[] = [];
if (values.check === true)
  checks.push(
    () => lintian(ownDeb()),
    () => piuparts(ownDeb()),
  );
for (const suite of values.tour ?? []) checks.push(() => tour(ownDeb(), suite, values.mirror));
for (const check of checks) if (!(await check())) process.exitCode = 1;

function wanted(names: readonly string[] | undefined): Architecture[] {
  for (const name of names ?? []) {
    if (!ARCHITECTURES.some((known) => known === name))
      throw new Error(`no packages are made for '${name}': ${ARCHITECTURES.join(', ')}`);
  }
  return ARCHITECTURES.filter((known) => names === undefined || names.includes(known));
}

function ownDeb(): string {
  if (own === undefined)
    throw new Error('the package of this architecture was not made, so it is not checked');
  return own;
}

function report(file: string): void {
  say(`${relative(CHECKOUT, file)}, ${Math.round(statSync(file).size / 100_000) / 10} MB`);
}
