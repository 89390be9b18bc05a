/** What a guest tells the host, a line of JSON each. The answer to `is free` is what to run next, or an empty line. */
export type Report = {event: 'is free'} | TestReport;

/** About the tests of a suite. */
export type TestReport =
  | {event: 'test begins'; title: string}
  | {event: 'test ends'; title: string; outcome: Outcome; milliseconds: number; error?: string}
  | {event: 'suite ends'; code: number};

export type Outcome = 'passed' | 'failed' | 'skipped';
