/** What the policy of an image makes of the options of a command. */
import type {Policy} from '../store/policy.ts';
import type {RunOptions} from '../store/records.ts';

export function optionsUnder({profile}: Policy, options: RunOptions): RunOptions {
  return profile === undefined || options.profile !== undefined ? options : {...options, profile};
}
