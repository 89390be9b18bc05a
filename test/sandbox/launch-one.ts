/**
 * A process that launches one sandbox, as the program does: `node launch-one.ts SPEC CACHE INSTALLED`, SPEC in JSON. It is
 * succeeded where CHROOTCTL_TEST_SUCCESSION is set.
 */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {toChrootctlError} from '../../src/errors.ts';
import {concludeLaunch, launch} from '../../src/sandbox/launch.ts';
import type {SandboxResult, SandboxSpec} from '../../src/sandbox/spec.ts';
import {takeSucceeded, type Succession} from '../../src/sandbox/succession.ts';
import {installedIn} from '../../src/system/installed.ts';

const [file = '', cacheDirectory = '', installed = ''] = process.argv.slice(2);
installedIn(installed);
try {
  const {exitCode} = await result();
  process.exitCode = exitCode;
} catch (error) {
  const {code, message} = toChrootctlError(error);
  console.error(`${code}: ${message}`);
  process.exitCode = 125;
}

async function result(): Promise<SandboxResult> {
  const succeeded = takeSucceeded();
  if (succeeded !== undefined) return concludeLaunch(succeeded);
  const spec = JSON.parse(readFileSync(file, 'utf8')) as SandboxSpec;
  const succession = process.env['CHROOTCTL_TEST_SUCCESSION'] === undefined ? undefined : successionOf(spec);
  return launch(spec, {cacheDirectory, succession});
}

/** With a record and a volume, which is what is to be removed. */
function successionOf({id}: SandboxSpec): Succession {
  const volumes = dirname(file);
  const record = join(volumes, 'record.json');
  writeFileSync(record, '{}');
  mkdirSync(join(volumes, 'volume'));
  writeFileSync(join(volumes, 'volume/volume.json'), '{}');
  const names = {name: 'volume', gone: 'volume.gone', parts: ['fs', 'volume.json']};
  return {id, record, removal: {volumes, ...names, most: 10, watched: undefined}};
}
