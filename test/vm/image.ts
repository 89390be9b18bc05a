/**
 * What guests boot from: Debian's cloud kernel with OpenZFS compiled for it, and a small Debian root with the checkout's
 * Node. Made once from the host's own apt sources and kept outside the checkout (`$CHROOTCTL_VM_CACHE`, else
 * `chrootctl/vm` below the user's caches), under names that tell what it is made of: as long as that stays the same,
 * nothing is fetched, whatever the archive has become.
 */
import {createHash} from 'node:crypto';
import {mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync} from 'node:fs';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {renderDeb822, type AptSource} from '../../src/bootstrap/apt-sources.ts';
import {chooseSources} from '../../src/bootstrap/choose.ts';
import {hostSettings, hostSources, thisHost} from '../../src/bootstrap/host-apt.ts';
import {lookUpSuite} from '../../src/bootstrap/suites.ts';
import {attempt} from '../../src/system/programs.ts';
import {madeOnce} from '../made-once.ts';

export interface Image {
  kernel: string;
  initrd: string;
  /** An ext4 file system. Guests write to a copy of their own. */
  root: string;
}

const CHECKOUT = dirname(dirname(import.meta.dirname));
const RECIPES = join(import.meta.dirname, 'image');
const NODE = join(CHECKOUT, 'node_modules/node');

const MODULES = ['modules.sh', 'compile.sh', 'modules.list', 'openzfs.pref'];
const ROOT = ['root.sh', 'packages.list', 'guest-init', 'initrd-init'];

/** Milliseconds for which an image that nobody boots any more is kept. */
const KEPT = 14 * 86_400_000;

/** Makes the image if it is not there; `refresh` makes it again from what the archive has now. */
export async function guestImage({refresh = false}: {refresh?: boolean} = {}): Promise<Image> {
  const suite = thisHost().codename ?? 'stable';
  const modules = join(cache(), `zfs-${digest(suite, process.arch, ...contents(MODULES))}`);
  const {version} = JSON.parse(readFileSync(join(NODE, 'package.json'), 'utf8')) as {version: string};
  const image = join(cache(), `guest-${digest(modules, version, ...contents(ROOT))}`);
  await madeOnce(
    image,
    async (temporary) => {
      await madeOnce(
        modules,
        async (out) => {
          say(`compiling OpenZFS for ${suite}'s cloud kernel; this takes some minutes, once`);
          await make('modules.sh', suite, {OUT: out});
        },
        {again: refresh},
      );
      say('making a root for guests');
      await make('root.sh', suite, {OUT: temporary, ZFS: modules, NODE: join(NODE, 'bin/node')});
      removeUnused();
    },
    {again: refresh},
  );
  utimesSync(image, new Date(), new Date());
  return {
    kernel: join(image, 'vmlinuz'),
    initrd: join(image, 'initrd.gz'),
    root: join(image, 'root.img'),
  };
}

/** Runs a recipe in namespaces that end with this process: interrupted, it leaves files, but no mounts or processes. */
async function make(recipe: string, suite: string, environment: Record<string, string>): Promise<void> {
  const {options, environment: proxies} = await hostSettings();
  const out = environment['OUT'] ?? '';
  mkdirSync(out, {mode: 0o755});
  const {code, stdout, stderr} = await attempt(
    'bwrap',
    [
      ...[
        '--die-with-parent',
        '--unshare-pid',
        '--unshare-ipc',
        '--dev-bind',
        '/',
        '/',
        '--proc',
        '/proc',
        '--',
      ],
      ...['sh', join(RECIPES, recipe), suite],
      ...[...options, 'APT::Install-Recommends "false"'].map((option) => `--aptopt=${option}`),
    ],
    {
      stdin: 'pipe',
      input: renderDeb822(sourcesFor(suite)),
      env: {...proxies, ...environment, TMPDIR: out, DEBIAN_FRONTEND: 'noninteractive'},
    },
  );
  if (code !== 0) {
    const said = `${stdout}\n${stderr}`.trimEnd().split('\n').slice(-60).join('\n');
    throw new Error(`${recipe} ended with ${code}:\n${said}`);
  }
}

/** The host's sources with the component that OpenZFS is in, and the backports, which have a newer one. */
function sourcesFor(suite: string): AptSource[] {
  const host = thisHost();
  const sources = chooseSources(hostSources(), suite, host, lookUpSuite(suite), ['main', 'contrib']);
  const base = sources.find(({suites}) => suites.includes(suite));
  if (host.distribution !== 'debian' || process.arch !== 'x64' || base === undefined)
    throw new Error('guests with ZFS are made from the apt sources of a Debian host on amd64 only');
  return [...sources, {...base, suites: [`${suite}-backports`]}];
}

function removeUnused(): void {
  for (const name of readdirSync(cache())) {
    const path = join(cache(), name);
    if (/^guest-\w+$/.test(name) && Date.now() - statSync(path).mtimeMs > KEPT)
      rmSync(path, {recursive: true, force: true});
  }
}

function cache(): string {
  return (
    process.env['CHROOTCTL_VM_CACHE'] ??
    join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chrootctl/vm')
  );
}

function contents(recipes: readonly string[]): string[] {
  return recipes.map((name) => readFileSync(join(RECIPES, name), 'utf8'));
}

function digest(...parts: string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function say(text: string): void {
  process.stderr.write(`vm: ${text}\n`);
}

if (import.meta.main) console.log(await guestImage({refresh: process.argv.includes('--refresh')}));
