/**
 * The protocol by which autopkgtest(1) and sbuild(1) drive a virtualisation server: a line for each order, and one for each
 * answer (README.virtualisation-server of the package autopkgtest).
 */
import {ChrootctlError} from '../errors.ts';
import {encodeCommand, encodeWord, parseLine} from './words.ts';

/** What can be done with a testbed. That it is open where it has to be, the protocol sees to. */
export interface Testbed {
  /** Words. */
  capabilities(): readonly string[];
  /** Gives a directory inside that can be written by everybody. */
  open(): Promise<string>;
  /** The same, when all that was done since is undone. */
  revert(): Promise<string>;
  close(): Promise<void>;
  /** The words before those of a command that is to be run inside. */
  executeCommand(): readonly string[];
  /** Whole directories where the paths end with a slash. @throws Unable */
  copyIn(host: string, inside: string): Promise<void>;
  copyOut(inside: string, host: string): Promise<void>;
  /** An interactive one, in a directory, with these variables (`NAME=VALUE`). @throws Unable */
  shell(directory: string, variables: readonly string[]): Promise<void>;
  /** For who looks for the cause of a failure. */
  describe(): string;
}

/** What could not be done, and is no reason to end: the answer says so in the protocol's words. */
export class Unable extends ChrootctlError {
  readonly answer: string;

  constructor(answer: 'copy-failed' | 'timeout' | 'not supported by virt server', message: string) {
    super('FAILED', message);
    this.answer = answer;
  }
}

export interface Answer {
  line: string;
  /** For the caller's standard error. */
  remark?: string;
  /** There will be no other. */
  isLast?: boolean;
}

interface Order {
  /** How many words follow it; the last of these orders takes any number more. */
  operands: number;
  more?: true;
  /** Whether the testbed has to be open, or closed. Default: it may be either. */
  open?: boolean;
  /** Gives the words of the answer. */
  carryOut: (testbed: Testbed, operands: readonly string[]) => Promise<readonly string[]>;
}

const ORDERS: Readonly<Record<string, Order>> = {
  capabilities: {operands: 0, carryOut: async (testbed) => Promise.resolve(testbed.capabilities())},
  open: {operands: 0, open: false, carryOut: async (testbed) => [encodeWord(await testbed.open())]},
  revert: {operands: 0, open: true, carryOut: async (testbed) => [encodeWord(await testbed.revert())]},
  close: {operands: 0, open: true, carryOut: async (testbed) => nothing(testbed.close())},
  'print-execute-command': {
    operands: 0,
    open: true,
    carryOut: async (testbed) => Promise.resolve([encodeCommand(testbed.executeCommand())]),
  },
  copydown: {
    operands: 2,
    open: true,
    carryOut: async (testbed, [host = '', inside = '']) => nothing(testbed.copyIn(host, inside)),
  },
  copyup: {
    operands: 2,
    open: true,
    carryOut: async (testbed, [inside = '', host = '']) => nothing(testbed.copyOut(inside, host)),
  },
  shell: {
    operands: 1,
    more: true,
    open: true,
    carryOut: async (testbed, [directory = '', ...variables]) => nothing(testbed.shell(directory, variables)),
  },
  quit: {operands: 0, carryOut: async () => Promise.resolve([])},
};

/** What autopkgtest asks for when something has failed, to see it in its log. */
const ON_FAILURE = 'auxverb-debug-fail';

export class Protocol {
  readonly #testbed: Testbed;
  #isOpen = false;

  constructor(testbed: Testbed) {
    this.#testbed = testbed;
  }

  /**
   * Carries out what a line orders; nothing for an empty one.
   * @throws ChrootctlError USAGE for what is no order, or not now; whatever the testbed throws
   */
  async answer(line: string): Promise<Answer | undefined> {
    const [verb, ...operands] = parseLine(line);
    if (verb === undefined) return undefined;
    const name = verb.replaceAll('_', '-');
    if (name === ON_FAILURE) return {line: 'ok', remark: this.#testbed.describe()};
    const order = Object.hasOwn(ORDERS, name) ? ORDERS[name] : undefined;
    if (order === undefined) throw refusal(`there is no command '${verb}'`);
    this.#check(name, order, operands.length);
    // What was not opened or closed in full is in neither state; the caller ends then.
    if (name === 'close') this.#isOpen = false;
    try {
      const words = await order.carryOut(this.#testbed, operands);
      if (name === 'open') this.#isOpen = true;
      return {line: ['ok', ...words].join(' '), isLast: name === 'quit'};
    } catch (error) {
      if (!(error instanceof Unable)) throw error;
      return {line: error.answer, remark: error.message};
    }
  }

  #check(name: string, {operands, more, open}: Order, given: number): void {
    if (given < operands || (given > operands && more !== true))
      throw refusal(`${name} takes ${operands} words, and there are ${given}`);
    if (open !== undefined && open !== this.#isOpen)
      throw refusal(`${name} while the testbed is ${this.#isOpen ? 'open' : 'not open'}`);
  }
}

function refusal(message: string): ChrootctlError {
  return new ChrootctlError('USAGE', message, {hint: 'the testbed is closed; autopkgtest --help'});
}

async function nothing(work: Promise<void>): Promise<readonly string[]> {
  await work;
  return [];
}
