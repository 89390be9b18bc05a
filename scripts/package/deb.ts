/** The Debian package: laid out by hand, put together by dpkg-deb(1). */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import type {Architecture} from './architecture.ts';
import {CHECKOUT, manifest, sourceDate} from './checkout.ts';
import {copyright, debianChangelog, MAINTAINER} from './documents.ts';
import {stageProgram, VIRT_SERVER} from './program.ts';

/** What the programs need that chrootctl calls, beyond what is essential; and what its runtime is linked with. */
const DEPENDS = ['libc6 (>= 2.17)', 'bubblewrap (>= 0.8)', 'attr', 'mount'];
/** For `bootstrap`, and for archives that are compressed so. */
const RECOMMENDS = ['mmdebstrap', 'xz-utils', 'zstd'];
/** The drivers of these names. */
const SUGGESTS = ['btrfs-progs', 'zfsutils-linux'];

const DESCRIPTION = `chroots as versioned images
 chrootctl runs commands in throw-away clones of root file systems, commits
 what they changed as a new version in one atomic step, and rolls back.
 Whoever clones an image while it is updated gets the old state or the new
 one, and of two updates that race the second is told so.
 .
 Images are held by overlayfs, btrfs, ZFS or in plain directories. There is
 no daemon and nothing to configure.`;

export interface DebOptions {
  /** Default: that of package.json. */
  version?: string;
  /** Of dpkg-deb; `none` is fast. Default: xz. */
  compression?: 'xz' | 'none';
}

/** A version of semver as one of Debian: a prerelease sorts before its release. */
export function debianVersion(version: string): string {
  return version.replace('-', '~').replaceAll('-', '.');
}

/** Makes the package in `directory`. Gives its path. */
export async function buildDeb(
  architecture: Architecture,
  directory: string,
  options: DebOptions = {},
): Promise<string> {
  const version = debianVersion(options.version ?? manifest().version);
  const root = mkdtempSync(join(tmpdir(), 'chrootctl-deb-'));
  try {
    await stageProgram(architecture, join(root, 'usr/lib/chrootctl'));
    mkdirSync(join(root, 'usr/bin'));
    for (const name of ['chrootctl', VIRT_SERVER])
      symlinkSync(`../lib/chrootctl/${name}`, join(root, 'usr/bin', name));
    cpSync(join(CHECKOUT, 'systemd'), join(root, 'usr/lib/systemd/system'), {recursive: true});
    stageDocuments(version, root);
    const files = settle(root);
    describe(architecture, version, root, files);
    const file = join(directory, `${manifest().name}_${version}_${architecture}.deb`);
    const compression = options.compression ?? 'xz';
    const words = ['--build', '--root-owner-group', `-Z${compression}`, root, file];
    // All times in the package become this one.
    const env = {...process.env, SOURCE_DATE_EPOCH: String(sourceDate())};
    execFileSync('dpkg-deb', words, {stdio: ['ignore', 'ignore', 'inherit'], env});
    return file;
  } finally {
    rmSync(root, {recursive: true, force: true});
  }
}

function stageDocuments(version: string, root: string): void {
  const documents = join(root, 'usr/share/doc/chrootctl');
  mkdirSync(documents, {recursive: true});
  writeFileSync(join(documents, 'copyright'), copyright());
  const changelog = gzipSync(debianChangelog(version, sourceDate()), {level: 9});
  writeFileSync(join(documents, 'changelog.gz'), changelog);
  copyFileSync(join(CHECKOUT, 'README.md'), join(documents, 'README.md'));
  for (const directory of ['docs', 'examples'])
    cpSync(join(CHECKOUT, directory), join(documents, directory), {recursive: true});
  const overrides = join(root, 'usr/share/lintian/overrides');
  mkdirSync(overrides, {recursive: true});
  copyFileSync(join(CHECKOUT, 'scripts/package/lintian-overrides'), join(overrides, 'chrootctl'));
}

/** Gives everything the usual modes, whatever the umask and the checkout's. Gives the files. */
function settle(root: string): string[] {
  chmodSync(root, 0o755);
  return readdirSync(root, {recursive: true, encoding: 'utf8'})
    .sort()
    .filter((file) => {
      const path = join(root, file);
      const status = lstatSync(path);
      if (status.isSymbolicLink()) return false;
      chmodSync(path, status.isDirectory() || (status.mode & 0o100) !== 0 ? 0o755 : 0o644);
      return status.isFile();
    });
}

function describe(architecture: Architecture, version: string, root: string, files: readonly string[]): void {
  const control = join(root, 'DEBIAN');
  mkdirSync(control, {mode: 0o755});
  // As dpkg-gencontrol has it: files in whole KiB, and one for everything else.
  const others = readdirSync(root, {recursive: true}).length - files.length;
  const size = files.reduce((sum, file) => sum + Math.ceil(lstatSync(join(root, file)).size / 1024), others);
  const fields = {
    Package: manifest().name,
    Version: version,
    Architecture: architecture,
    Maintainer: MAINTAINER,
    'Installed-Size': String(size),
    Depends: DEPENDS.join(', '),
    Recommends: RECOMMENDS.join(', '),
    Suggests: SUGGESTS.join(', '),
    Section: 'admin',
    Priority: 'optional',
    Description: DESCRIPTION,
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
  writeFileSync(join(control, 'control'), text.join(''), {mode: 0o644});
  const sums = files.map((file) => {
    const sum = createHash('md5')
      .update(readFileSync(join(root, file)))
      .digest('hex');
    return `${sum}  ${file}\n`;
  });
  writeFileSync(join(control, 'md5sums'), sums.join(''), {mode: 0o644});
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(CHECKOUT, 'scripts/package', script), join(control, script));
    chmodSync(join(control, script), 0o755);
  }
}
