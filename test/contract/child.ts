/**
 * A process of its own that calls a driver: `child.ts DRIVER VOLUMES SETTINGS create PARENT ID...` or `… remove ID`,
 * the settings as JSON.
 * It says `ready` before it begins.
 */
import type {DriverSettings} from '../../src/storage/kind.ts';
import {isDriverName, openDriver} from '../../src/storage/registry.ts';

const [name = '', volumes = '', settings = '{}', action, first = '', ...rest] = process.argv.slice(2);
if (!isDriverName(name)) throw new Error(`no driver ${name}`);
const driver = await openDriver(name, volumes, JSON.parse(settings) as DriverSettings);
process.stdout.write('ready\n');
if (action === 'create') for (const id of rest) await driver.create(id, {parent: first});
else await driver.remove(first);
