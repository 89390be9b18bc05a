/**
 * A process of its own that calls a driver: `child.ts DRIVER VOLUMES SETTINGS create PARENT ID...` or `… remove ID`,
 * the settings as JSON.
 * It says `ready` before it begins.
 */
import {openDriver, type DriverSettings} from '../../src/storage/open.ts';
import {isDriverName} from '../../src/storage/names.ts';

const [name = '', volumes = '', settings = '{}', action, first = '', ...rest] = process.argv.slice(2);
if (!isDriverName(name)) throw new Error(`no driver ${name}`);
const driver = openDriver(name, volumes, JSON.parse(settings) as DriverSettings);
process.stdout.write('ready\n');
if (action === 'create') for (const id of rest) await driver.create(id, {parent: first});
else await driver.remove(first);
