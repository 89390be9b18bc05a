/** The Node that goes into a package: of the very version that the checkout is developed with. */
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {createRequire} from 'node:module';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {madeOnce} from '../../test/made-once.ts';
import {isOwn, nodeName, type Architecture} from './architecture.ts';
import {CHECKOUT, say} from './checkout.ts';

/** Directory with `bin/node` and Node's `LICENSE`. */
export async function nodeFor(architecture: Architecture): Promise<string> {
  const name = `node-linux-${nodeName(architecture)}`;
  const own = createRequire(join(CHECKOUT, 'node_modules/node/package.json'));
  if (isOwn(architecture)) return dirname(own.resolve(`${name}/package.json`));
  const {version} = own('node/package.json') as {version: string};
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chrootctl/package');
  return madeOnce(join(cache, `${name}-${version}`), (temporary) => {
    say(`${architecture}: fetching ${name}@${version} with npm`);
    mkdirSync(temporary, {recursive: true});
    // npm checks what it fetches against the registry's checksum.
    const words = ['pack', '--silent', '--pack-destination', temporary, `${name}@${version}`];
    const file = execFileSync('npm', words, {encoding: 'utf8', cwd: temporary}).trim();
    const unpack = ['-C', temporary, '--strip-components=1', '--no-same-owner', '-xf', join(temporary, file)];
    execFileSync('tar', [...unpack, 'package/bin/node', 'package/LICENSE', 'package/package.json']);
    execFileSync('rm', [join(temporary, file)]);
    return Promise.resolve();
  });
}
