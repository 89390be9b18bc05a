/** Ends a run with one line that people and pipelines can read: `N passed, N failed, N skipped`. */
export default class SummaryReporter {
  onRunComplete(_contexts, results) {
    const {numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites} =
      results;
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    // The default reporter writes to stderr; wait for it, so that this line is the last one.
    process.on('exit', () => {
      process.stdout.write(
        `${numPassedTests} passed, ${failed} failed, ${numPendingTests + numTodoTests} skipped\n`,
      );
    });
  }
}
