/** Serves one caller, until he quits or goes: then nothing is left of the testbed. */
import type {Readable} from 'node:stream';
import {afterwards, ChrootctlError, errnoOf} from '../errors.ts';
import {interruption, throwIfAborted, toTheEnd} from '../system/interruption.ts';
import {linesOf} from '../system/lines.ts';
import {Protocol, type Testbed} from './protocol.ts';

export interface Caller {
  input: Readable;
  /** @throws ChrootctlError when it cannot be written */
  answer: (line: string) => void;
  remark: (line: string) => void;
}

/**
 * @param testbed closed at the end, also if it was not open
 * @throws ChrootctlError when the caller goes without a word, or asks for what cannot be; Interrupted
 */
export async function serve(testbed: Testbed, caller: Caller): Promise<void> {
  const close = (): Promise<void> => toTheEnd(() => testbed.close());
  try {
    await untilQuit(new Protocol(testbed), caller);
  } catch (error) {
    throw await afterwards(error, close);
  }
  await close();
  try {
    caller.answer('ok');
  } catch (error) {
    // Who quits need not listen any more: autopkgtest does not.
    if (!(error instanceof ChrootctlError) || errnoOf(error.cause) !== 'EPIPE') throw error;
  }
}

async function untilQuit(protocol: Protocol, {input, answer, remark}: Caller): Promise<void> {
  answer('ok');
  for await (const line of linesOf(input, interruption)) {
    const given = await protocol.answer(line);
    if (given === undefined) continue;
    if (given.remark !== undefined) remark(given.remark);
    if (given.isLast === true) return;
    answer(given.line);
  }
  throwIfAborted(interruption);
  throw new ChrootctlError('FAILED', 'the caller has gone without quit: the testbed is closed', {
    hint: 'this is started by autopkgtest or sbuild, which speak to it on its standard input',
  });
}
