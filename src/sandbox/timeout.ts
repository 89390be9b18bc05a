/** The time limit of a command: told to end, and killed if it does not, as timeout(1) --kill-after does. */
import type {Delivery} from './delivery.ts';

/** From SIGTERM to SIGKILL. */
const GRACE_MS = 10_000;

/** setTimeout takes no more. */
const LONGEST_MS = 2 ** 31 - 1;

export interface Timer {
  expired: () => boolean;
  stop: () => void;
}

/** Starts the clock; without `seconds` there is none. */
export function startTimer(seconds: number | undefined, delivery: Delivery): Timer {
  let expired = false;
  let timer: NodeJS.Timeout | undefined;
  const wait = (rest: number): void => {
    timer =
      rest > LONGEST_MS ? setTimeout(() => wait(rest - LONGEST_MS), LONGEST_MS) : setTimeout(expire, rest);
  };
  const expire = (): void => {
    expired = true;
    delivery.end();
    timer = setTimeout(() => delivery.kill(), GRACE_MS);
  };
  if (seconds !== undefined) wait(seconds * 1000);
  return {expired: () => expired, stop: () => clearTimeout(timer)};
}
