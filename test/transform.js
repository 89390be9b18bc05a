import {createHash} from 'node:crypto';
import {transformSync, version} from 'esbuild';

/** Types are stripped, nothing else changes: what the tests run is what the sources say. */
export default {
  canInstrument: false,
  getCacheKey: (source, path) => createHash('sha256').update(`${version}\0${path}\0${source}`).digest('hex'),
  process(source, path) {
    const {code, map} = transformSync(source, {
      loader: 'ts',
      format: 'esm',
      target: 'node22',
      sourcefile: path,
      sourcemap: 'external',
    });
    return {code, map};
  },
};
