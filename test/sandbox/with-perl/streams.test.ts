/** The same where the supervisor is missing. */
process.env['CHROOTCTL_TEST_INSTALLED'] = '/nonexistent';
await import('../streams.test.ts');

export {};
