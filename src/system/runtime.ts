/** What runs us. The only place that knows of more than one. */

export const RUNTIME: {name: string; version: string} =
  process.versions['bun'] === undefined
    ? {name: 'node', version: process.versions.node}
    : {name: 'bun', version: process.versions['bun']};
