/** What came of the tests in a guest, put together from its reports. */
import type {Outcome, TestReport} from './harness/report.ts';

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
  readonly #result: SuiteResult;
  /** The title of a test that has begun. */
  #test: string | undefined;
  #hasEnded = false;
  readonly #output: string[] = [];

  constructor(suite: string) {
    this.#result = {suite, tests: []};
  }

  /** Something that the suite printed. */
  print(line: string): void {
    this.#output.push(line);
    if (this.#output.length > 50) this.#output.shift();
  }

  add(report: TestReport): void {
    switch (report.event) {
      case 'test begins':
        this.#test = report.title;
        break;
      case 'test ends': {
        const {event: _, ...result} = report;
        this.#result.tests.push(result);
        this.#test = undefined;
        break;
      }
      case 'suite ends': {
        this.#hasEnded = true;
        // Node ends with 1 when tests failed.
        const told = report.code === 1 && this.#result.tests.some(({outcome}) => outcome === 'failed');
        if (report.code !== 0 && !told) this.#break(`ended with exit code ${report.code}`);
      }
    }
  }

  /** The result, and why it is not whole if the guest ended with `failure`, or before the suite did. */
  result(failure?: string): SuiteResult {
    if (failure !== undefined) this.#break(failure);
    else if (!this.#hasEnded) this.#break('did not run to its end');
    return this.#result;
  }

  #break(how: string): void {
    const where = this.#test === undefined ? '' : ` in the test "${this.#test}"`;
    this.#result.trouble = [`${how}${where}; printed last:`, ...this.#output].join('\n');
  }
}
