/** The argument that names a version. */
import {string} from '@oclif/core/args';

export const referenceArg = string({
  required: true,
  ignoreStdin: true,
  description: 'IMAGE, IMAGE:TAG, IMAGE:RANGE, IMAGE@VERSION, or the id of a version',
});
