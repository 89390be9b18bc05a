import {main} from './main.ts';

void main(process.argv.slice(2));
// Nothing is left to do by then, nor to be written: what Node would take apart piece by piece goes with the process.
process.once('beforeExit', () => process.exit());
