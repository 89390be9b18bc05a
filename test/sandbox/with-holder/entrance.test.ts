/** The same where the sandbox is held, and the command enters it. */
process.env['CHROOTCTL_TEST_HOLDER'] = '1';
await import('../entrance.test.ts');

export {};
