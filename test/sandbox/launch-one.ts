/**
 * A process that launches one sandbox, as the program does: `node launch-one.ts SPEC CACHE INSTALLED`, SPEC in JSON. It is
 * succeeded where CHROOTCTL_TEST_SUCCESSION is set; where CHROOTCTL_TEST_HOLDER is, the sandbox is held,
 * entered and ended; or held alone (`kept`; `killed`: until then), or entered, if that is who holds it.
 */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {toChrootctlError} from '../../src/errors.ts';
import {hold, holderIn, type Holder} from '../../src/sandbox/holder.ts';
import {concludeLaunch, launch} from '../../src/sandbox/launch.ts';
import type {SandboxResult, SandboxSpec} from '../../src/sandbox/spec.ts';
import {takeSucceeded, type Succession} from '../../src/sandbox/succession.ts';
import {installedIn} from '../../src/system/installed.ts';
import {entryOf, processAt} from '../../src/system/processes.ts';

const [file = '', cacheDirectory = '', installed = ''] = process.argv.slice(2);
installedIn(installed);
// What the build tells the engine, which is run from its sources here.
Object.assign(globalThis, {CHROOTCTL_OWN_WALL: process.env['CHROOTCTL_WALL'] === 'own'});
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
  const held = process.env['CHROOTCTL_TEST_HOLDER'];
  if (held === undefined) return launch(spec, {cacheDirectory, succession});
  if (held.startsWith('{')) return launch(spec, {cacheDirectory, holder: JSON.parse(held) as Holder});
  const sandbox = await hold(spec, {
    onHeld: ({pid}) => {
      if (held !== 'killed') return;
      console.log(pid);
      process.kill(process.pid, 'SIGKILL');
    },
  });
  const entry = entryOf(sandbox.pid);
  const outermost = entry === undefined ? undefined : processAt(entry);
  const holder = outermost === undefined ? undefined : holderIn(outermost);
  if (held === 'kept') {
    console.log(JSON.stringify(holder));
    return {exitCode: 0, timedOut: false};
  }
  try {
    return await launch(spec, {cacheDirectory, holder});
  } finally {
    process.kill(sandbox.pid, 'SIGKILL');
  }
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
