/** The protocol with a testbed that only writes down what is done with it. */
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {Protocol, Unable, type Testbed} from '../../src/autopkgtest/protocol.ts';
import {ChrootctlError} from '../../src/errors.ts';

class Recorded implements Testbed {
  readonly done: string[] = [];
  isOpen = false;
  failure: Error | undefined;

  capabilities(): string[] {
    return ['revert', 'root-on-testbed'];
  }

  open(): Promise<string> {
    this.done.push('open');
    this.isOpen = true;
    return this.#unlessFailing('/tmp/a b');
  }

  revert(): Promise<string> {
    this.done.push('revert');
    return this.#unlessFailing('/tmp/a b');
  }

  close(): Promise<void> {
    this.done.push('close');
    this.isOpen = false;
    return this.#unlessFailing(undefined);
  }

  executeCommand(): string[] {
    return ['/a,b', 'exec', '--'];
  }

  copyIn(...paths: string[]): Promise<void> {
    this.done.push(`in ${paths.join(' ')}`);
    return this.#unlessFailing(undefined);
  }

  copyOut(...paths: string[]): Promise<void> {
    this.done.push(`out ${paths.join(' ')}`);
    return this.#unlessFailing(undefined);
  }

  shell(directory: string, variables: readonly string[]): Promise<void> {
    this.done.push(['shell', directory, ...variables].join(' '));
    return this.#unlessFailing(undefined);
  }

  describe(): string {
    return 'a testbed';
  }

  #unlessFailing<T>(value: T): Promise<T> {
    return this.failure === undefined ? Promise.resolve(value) : Promise.reject(this.failure);
  }
}

test('each order has its answer', async () => {
  const testbed = new Recorded();
  const protocol = new Protocol(testbed);
  const answers: (string | undefined)[] = [];
  for (const line of [
    'capabilities',
    'open',
    'print-execute-command',
    'copydown /a%20b /c,d',
    'copyup /e/ /f%2F',
    'shell /root A=%20b',
    '',
    'revert',
    'close',
    'capabilities',
    'open',
  ])
    answers.push((await protocol.answer(line))?.line);
  expect(answers).toEqual([
    'ok revert root-on-testbed',
    'ok /tmp/a%20b',
    'ok /a%2Cb,exec,--',
    'ok',
    'ok',
    'ok',
    undefined,
    'ok /tmp/a%20b',
    'ok',
    'ok revert root-on-testbed',
    'ok /tmp/a%20b',
  ]);
  expect(testbed.done).toEqual([
    'open',
    'in /a b /c,d',
    'out /e/ /f/',
    'shell /root A= b',
    'revert',
    'close',
    'open',
  ]);
  expect(await protocol.answer('auxverb_debug_fail')).toEqual({line: 'ok', remark: 'a testbed'});
  expect(await protocol.answer('quit')).toEqual({line: 'ok', isLast: true});
});

test.each([
  ['revert', 'revert while the testbed is not open'],
  ['close', 'close while the testbed is not open'],
  ['print-execute-command', 'print-execute-command while the testbed is not open'],
  ['copyup /a /b', 'copyup while the testbed is not open'],
  ['shell /', 'shell while the testbed is not open'],
  ['reboot', "there is no command 'reboot'"],
  ['constructor', "there is no command 'constructor'"],
  ['open now', 'open takes 0 words, and there are 1'],
  ['copydown /a', 'copydown takes 2 words, and there are 1'],
])('%s is refused: %s', async (line, message) => {
  const testbed = new Recorded();
  await expect(new Protocol(testbed).answer(line)).rejects.toThrow(message);
  expect(testbed.done).toEqual([]);
});

test('what cannot be done now is answered, everything else ends it', async () => {
  const testbed = new Recorded();
  const protocol = new Protocol(testbed);
  await protocol.answer('open');
  testbed.failure = new Unable('copy-failed', 'there is no such file');
  expect(await protocol.answer('copydown /a /b')).toEqual({
    line: 'copy-failed',
    remark: 'there is no such file',
  });
  testbed.failure = new ChrootctlError('BUSY', 'in use');
  await expect(protocol.answer('revert')).rejects.toThrow('in use');
});

test('whatever is ordered, the testbed is never opened twice, nor used while it is closed', async () => {
  const orders = [
    'open',
    'close',
    'revert',
    'print-execute-command',
    'copyup /a /b',
    'shell /',
    'capabilities',
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...orders)), async (lines) => {
      const testbed = new Recorded();
      const protocol = new Protocol(testbed);
      for (const line of lines) {
        const wasOpen = testbed.isOpen;
        const isFine = line === 'capabilities' || (line === 'open') !== wasOpen;
        const before = testbed.done.length;
        const answered = protocol.answer(line);
        if (isFine) expect((await answered)?.line).toMatch(/^ok/);
        else {
          await expect(answered).rejects.toBeInstanceOf(ChrootctlError);
          expect(testbed.done.length).toBe(before);
        }
      }
    }),
  );
});
