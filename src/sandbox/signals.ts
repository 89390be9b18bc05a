/**
 * Signals that reach us go on to the command. Those that a terminal sends to its whole foreground group reach the
 * command by themselves, when it shares our process group; it must not get them twice (a second Ctrl-C means "at once"
 * to many programs), yet we must outlive them to report how the command ended.
 */
import {hasTerminal} from './processes.ts';

/** SIGTSTP and SIGCONT are not here: stopping and going on is the shell's affair, with the whole group. */
const RELAYED = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const;

export interface Receiver {
  /** It is in our process group, which it is not with a terminal of its own. */
  readonly sharesKeys: boolean;
  /** For the command to get from us. */
  send: (signal: NodeJS.Signals) => void;
  /** The command gets it anyway. */
  note: (signal: NodeJS.Signals) => void;
}

/** One set of listeners for however many sandboxes: Node warns when a process has many. */
const targets = new Set<Receiver>();

/** What listened before. While a command runs the signals are its own: Ctrl-C in an editor must not end our work. */
let suspended = new Map<NodeJS.Signals, NodeJS.SignalsListener[]>();

/**
 * Tells `receiver` of every signal until the returned function is called. Other listeners of this process are suspended meanwhile.
 */
export function relaySignals(receiver: Receiver): () => void {
  if (targets.size === 0) takeOver();
  targets.add(receiver);
  return () => {
    targets.delete(receiver);
    if (targets.size === 0) giveBack();
  };
}

/** At no moment is there no listener: the signal would then end us. */
function takeOver(): void {
  suspended = new Map(RELAYED.map((signal) => [signal, process.listeners(signal)]));
  for (const [signal, listeners] of suspended) {
    process.on(signal, relay);
    for (const listener of listeners) process.off(signal, listener);
  }
}

function giveBack(): void {
  for (const [signal, listeners] of suspended) {
    for (const listener of listeners) process.on(signal, listener);
    process.off(signal, relay);
  }
}

function relay(signal: NodeJS.Signals): void {
  const isShared = (signal === 'SIGINT' || signal === 'SIGQUIT') && hasTerminal();
  for (const target of targets) {
    if (isShared && target.sharesKeys) target.note(signal);
    else target.send(signal);
  }
}
