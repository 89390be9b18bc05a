/** What a guest tells the host about its tests, a line of JSON each. */
export type Report =
  | {event: 'test begins'; title: string}
  | {event: 'test ends'; title: string; outcome: Outcome; milliseconds: number; error?: string}
  | {event: 'suite ends'; code: number};

export type Outcome = 'passed' | 'failed' | 'skipped';
