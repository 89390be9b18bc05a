/** The same where the process that launches is succeeded by the supervisor. */
process.env['CHROOTCTL_TEST_SUCCESSION'] = '1';
await import('../streams.test.ts');

export {};
