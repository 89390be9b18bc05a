import {describe, expect, test} from '@jest/globals';
import {appendFileSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import fc from 'fast-check';
import {ChrootctlError} from '../../src/errors.ts';
import {appendHistory, readHistory} from '../../src/store/history.ts';
import type {HistoryEntry} from '../../src/store/records.ts';
import {temporaryDirectory} from '../temporary.ts';

function entry(seq: number, message = ''): HistoryEntry {
  return {
    seq,
    time: '2026-01-01T00:00:00.000Z',
    tag: 'latest',
    from: null,
    to: '0a',
    by: 'root',
    action: 'commit',
    message,
  };
}

describe('the history file', () => {
  test('shows nothing beyond the confirmed move', () => {
    const file = join(temporaryDirectory(), 'history.jsonl');
    appendHistory(file, 0, [entry(1)]);
    appendHistory(file, 1, [entry(2), entry(2)]);
    expect(readHistory(file, 1)).toHaveLength(1);
    expect(readHistory(file, 2)).toHaveLength(3);
  });

  test('an interrupted move is written over by the next one', () => {
    const file = join(temporaryDirectory(), 'history.jsonl');
    appendHistory(file, 0, [entry(1)]);
    appendHistory(file, 1, [entry(2, 'never happened')]);
    appendHistory(file, 1, [entry(2, 'happened')]);
    expect(readHistory(file, 2).map(({message}) => message)).toEqual(['', 'happened']);
    expect(readFileSync(file, 'utf8')).not.toContain('never');
  });

  test('wherever a crash tears the end, what was confirmed is read and the next move goes on', () => {
    const file = join(temporaryDirectory(), 'history.jsonl');
    appendHistory(file, 0, [entry(1, 'ä\n"x"')]);
    const confirmed = readFileSync(file);
    appendHistory(file, 1, [entry(2, 'torn')]);
    const whole = readFileSync(file);
    fc.assert(
      fc.property(fc.integer({min: confirmed.length, max: whole.length}), (length) => {
        writeFileSync(file, whole.subarray(0, length));
        expect(readHistory(file, 1)).toHaveLength(1);
        appendHistory(file, 1, [entry(2, 'next')]);
        expect(readHistory(file, 2).map(({message}) => message)).toEqual(['ä\n"x"', 'next']);
      }),
    );
  });

  test('however long its lines are, the next move goes behind the last confirmed one', () => {
    const file = join(temporaryDirectory(), 'history.jsonl');
    fc.assert(
      fc.property(fc.array(fc.integer({min: 0, max: 20_000}), {minLength: 1, maxLength: 6}), (lengths) => {
        rmSync(file, {force: true});
        lengths.forEach((length, index) => {
          appendHistory(file, index, [entry(index + 1, 'ä'.repeat(length))]);
        });
        // Left by a move that was interrupted, longer than what is read at once.
        appendHistory(file, lengths.length, [entry(lengths.length + 1, '"seq":1,'.repeat(10_000))]);
        appendHistory(file, lengths.length, [entry(lengths.length + 1, 'last')]);
        const history = readHistory(file, lengths.length + 1);
        expect(history.map(({message}) => message.length)).toEqual([...lengths, 'last'.length]);
      }),
    );
  });

  test('a confirmed line that is lost or garbled is an error, not a shorter history', () => {
    const file = join(temporaryDirectory(), 'history.jsonl');
    appendHistory(file, 0, [entry(1)]);
    appendHistory(file, 1, [entry(2)]);
    writeFileSync(file, `${readFileSync(file, 'utf8').split('\n')[0] ?? ''}\n`);
    expect(() => readHistory(file, 2)).toThrow(ChrootctlError);
    appendFileSync(file, 'garbage\n');
    expect(() => readHistory(file, 2)).toThrow(expect.objectContaining({code: 'BAD_INPUT'}));
    expect(() => appendHistory(file, 2, [entry(3)])).toThrow(ChrootctlError);
  });
});
