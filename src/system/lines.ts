/** Lines of a stream as they come. */
import type {Readable} from 'node:stream';

/**
 * Ends with the stream, or when `signal` is aborted. What comes without a line's end is none. Nothing keeps the program
 * going afterwards.
 */
export async function* linesOf(input: Readable, signal: AbortSignal): AsyncGenerator<string, void> {
  let text = '';
  let isOver = signal.aborted;
  let wake: () => void = () => undefined;
  const take = (chunk: string): void => {
    text += chunk;
    wake();
  };
  const end = (): void => {
    isOver = true;
    wake();
  };
  input.setEncoding('utf8').on('data', take);
  for (const event of ['end', 'close', 'error']) input.on(event, end);
  signal.addEventListener('abort', end);
  try {
    for (;;) {
      const at = text.indexOf('\n');
      if (signal.aborted || (at < 0 && isOver)) return;
      if (at < 0) {
        await new Promise<void>((resolve) => (wake = resolve));
        continue;
      }
      const line = text.slice(0, at);
      text = text.slice(at + 1);
      yield line;
    }
  } finally {
    signal.removeEventListener('abort', end);
    input.off('data', take);
    for (const event of ['end', 'close', 'error']) input.off(event, end);
    input.destroy();
  }
}
