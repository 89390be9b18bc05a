/** A reporter for Node's test runner that tells the host which tests begin and how they end. */
import {appendFileSync} from 'node:fs';
import type {TestEvent} from 'node:test/reporters';
import type {Outcome, Report} from './report.ts';

/** The port to the host, as guest-init opens it. */
const PORT = 3;

// Node prints what a reporter yields, which is nothing here.
// eslint-disable-next-line require-yield
export default async function* (events: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  const titles = new Map<number | undefined, string>();
  const titleOf = ({name, parentId}: {name: string; parentId: number | undefined}): string => {
    const parent = titles.get(parentId);
    return parent === undefined ? name : `${parent} › ${name}`;
  };
  for await (const {type, data} of events) {
    if (type === 'test:enqueue') titles.set(data.testId, titleOf(data));
    if (type === 'test:dequeue' && data.type === 'test') tell({event: 'test begins', title: titleOf(data)});
    if (type === 'test:pass' && data.details.type === 'test')
      ended(titleOf(data), data.skip === undefined ? 'passed' : 'skipped', data.details.duration_ms);
    if (type === 'test:fail') {
      const {error, duration_ms: milliseconds} = data.details;
      if (!isOfTests(error)) ended(titleOf(data), 'failed', milliseconds, causeOf(error));
    }
  }
}

/** A suite fails with its tests, which have been told of; or in its hooks, which is news. */
function isOfTests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed';
}

function causeOf({cause, message}: Error): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : message;
}

function ended(title: string, outcome: Outcome, milliseconds: number, error?: string): void {
  tell({event: 'test ends', title, outcome, milliseconds, ...(error === undefined ? {} : {error})});
}

function tell(report: Report): void {
  appendFileSync(PORT, `${JSON.stringify(report)}\n`);
}
