/** @type {import('jest').Config} */
export default {
  roots: ['<rootDir>/test'],
  globalSetup: '<rootDir>/test/program.js',
  testMatch: ['**/*.test.ts'],
  // They run in a guest, see test/vm/zfs.test.ts.
  testPathIgnorePatterns: ['/test/vm/suites/', '/test/vm/crash-points/'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {'\\.ts$': '<rootDir>/test/transform.js'},
  // None comes near it on a machine with nothing else to do; on a slow and busy one some take minutes.
  testTimeout: 180_000,
  // Two cores are the smallest machine that runs the suite; most tests wait for the kernel, not for us.
  maxWorkers: 2,
  testSequencer: '<rootDir>/test/sequencer.js',
  reporters: ['default', '<rootDir>/test/summary-reporter.js'],
};
