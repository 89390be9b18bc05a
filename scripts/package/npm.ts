/** The npm package. It holds all that it needs in its bundles: installing it fetches and builds nothing. */
import {execFileSync} from 'node:child_process';
import {copyFileSync, cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {HELPERS} from '../native.js';
import {ARCHITECTURES, makeNative, nodeName} from './architecture.ts';
import {CHECKOUT, DIST, manifest} from './checkout.ts';
import {thirdPartyLicences} from './documents.ts';

/** Of package.json; what is about developing stays behind. */
const FIELDS = ['name', 'version', 'description', 'license', 'type', 'engines', 'bin', 'exports'];
/** Packages that the types of the library name. A program needs none of them. */
const OF_TYPES = ['execa', 'valibot'];
const LEFT_AWAY = ['.cache', 'contents.json', 'packages.json', 'types'];

/** Makes the package in `directory`. Gives its path. */
export function buildNpm(directory: string): string {
  const stage = mkdtempSync(join(tmpdir(), 'chrootctl-npm-'));
  try {
    const place = join(stage, 'package');
    mkdirSync(place);
    cpSync(join(CHECKOUT, 'bin'), join(place, 'bin'), {recursive: true});
    cpSync(DIST, join(place, 'dist'), {
      recursive: true,
      filter: (path) => path === DIST || !LEFT_AWAY.includes(basename(path)),
    });
    rmSync(join(place, 'dist/native'), {recursive: true, force: true});
    mkdirSync(join(place, 'dist/native'));
    for (const architecture of ARCHITECTURES) {
      for (const name of HELPERS) {
        const file = join(place, `dist/native/${name}-${nodeName(architecture)}`);
        makeNative(name, architecture, file, 'runs start a little slower');
      }
    }
    const compiler = join(CHECKOUT, 'node_modules/typescript/bin/tsc');
    const types = ['-p', join(CHECKOUT, 'tsconfig.types.json'), '--outDir', join(place, 'dist/types')];
    execFileSync(process.execPath, [compiler, ...types], {stdio: ['ignore', 'inherit', 'inherit']});
    for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE'])
      copyFileSync(join(CHECKOUT, file), join(place, file));
    writeFileSync(join(place, 'THIRD-PARTY-LICENSES.md'), thirdPartyLicences());
    writeFileSync(join(place, 'package.json'), `${JSON.stringify(publishedManifest(), undefined, 2)}\n`);
    const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', stage];
    const file = execFileSync('npm', words, {cwd: place, encoding: 'utf8'}).trim();
    const target = join(directory, file);
    copyFileSync(join(stage, file), `${target}.tmp`);
    renameSync(`${target}.tmp`, target);
    return target;
  } finally {
    rmSync(stage, {recursive: true, force: true});
  }
}

function publishedManifest(): Record<string, unknown> {
  const all = manifest();
  return {
    ...Object.fromEntries(Object.entries(all).filter(([name]) => FIELDS.includes(name))),
    os: ['linux'],
    peerDependencies: Object.fromEntries(OF_TYPES.map((name) => [name, all.dependencies[name]])),
    peerDependenciesMeta: Object.fromEntries(OF_TYPES.map((name) => [name, {optional: true}])),
  };
}
