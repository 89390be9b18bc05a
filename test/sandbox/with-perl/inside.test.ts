/** The same by a shell and the tools of the host. */
process.env['CHROOTCTL_TEST_INSTALLED'] = '/nonexistent';
await import('../inside.test.ts');

export {};
