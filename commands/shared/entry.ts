/** The program's first part. Whoever starts it says where the others are: files beside it, or parts of the same executable. */
import {main, type Parts} from './main.ts';

export function start(parts: Parts): void {
  void main(process.argv.slice(2), parts);
  // Nothing is left to do by then, nor to be written: what the runtime would take apart piece by piece goes with the process.
  process.once('beforeExit', () => process.exit());
}
