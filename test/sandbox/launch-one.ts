/** A process that launches one sandbox, as the program does: `node launch-one.ts SPEC CACHE INSTALLED`, SPEC in JSON. */
import {readFileSync} from 'node:fs';
import {toChrootctlError} from '../../src/errors.ts';
import {launch} from '../../src/sandbox/launch.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {installedIn} from '../../src/system/installed.ts';

const [spec = '', cacheDirectory = '', installed = ''] = process.argv.slice(2);
installedIn(installed);
try {
  const {exitCode} = await launch(JSON.parse(readFileSync(spec, 'utf8')) as SandboxSpec, {cacheDirectory});
  process.exitCode = exitCode;
} catch (error) {
  const {code, message} = toChrootctlError(error);
  console.error(`${code}: ${message}`);
  process.exitCode = 125;
}
