/** What came of the tests in a guest, put together from its reports. */
import type {Outcome, Report} from './harness/report.ts';

export interface SuiteResult {
  suite: string;
  tests: TestResult[];
  /** Why these are not all the tests that there should be, or not all that went wrong. */
  trouble?: string;
}

export interface TestResult {
  title: string;
  outcome: Outcome;
  milliseconds: number;
  /** The stack of a failure. */
  error?: string;
}

export class Results {
  readonly #suites = new Map<string, SuiteResult>();
  #suite: SuiteResult | undefined;
  /** The title of a test that has begun. */
  #test: string | undefined;
  #output: string[] = [];

  /** Something that the suite printed. */
  print(line: string): void {
    this.#output.push(line);
    if (this.#output.length > 50) this.#output.shift();
  }

  add(report: Report): void {
    switch (report.event) {
      case 'suite begins':
        this.#suite = {suite: report.suite, tests: []};
        this.#suites.set(report.suite, this.#suite);
        this.#output = [];
        break;
      case 'test begins':
        this.#test = report.title;
        break;
      case 'test ends': {
        const {event: _, ...result} = report;
        this.#suite?.tests.push(result);
        this.#test = undefined;
        break;
      }
      case 'suite ends': {
        // Node ends with 1 when tests failed.
        const told =
          report.code === 1 && this.#suite?.tests.some(({outcome}) => outcome === 'failed') === true;
        if (report.code !== 0 && !told) this.#break(`ended with exit code ${report.code}`);
        this.#suite = undefined;
        this.#test = undefined;
      }
    }
  }

  /** The results of these suites, if the guest ended well; else why it did not. */
  of(suites: readonly string[], failure?: string): SuiteResult[] {
    if (failure !== undefined) this.#break(failure);
    return suites.map(
      (suite) =>
        this.#suites.get(suite) ?? {
          suite,
          tests: [],
          trouble: `did not run: ${failure ?? 'the guest left it out'}`,
        },
    );
  }

  #break(how: string): void {
    if (this.#suite === undefined) return;
    const where = this.#test === undefined ? '' : ` in the test "${this.#test}"`;
    this.#suite.trouble = [`${how}${where}; printed last:`, ...this.#output].join('\n');
  }
}
