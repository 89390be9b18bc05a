/**
 * What every command shares: the store's flags, parsing, how answers are printed. A command is a class as the
 * framework knows them, for its manifest and its help; it is run without the framework, of which only the parser is
 * loaded then.
 */
import {boolean, string} from '@oclif/core/flags';
import {parse, type ArgInput, type FlagInput, type Input, type ParserOutput} from '@oclif/core/parser';
import {ChrootctlError} from '../../src/errors.ts';
import {Store} from '../../src/store/store.ts';
import {complain, markDone, print, printEach, Untold} from './output.ts';
import {passthrough} from './passthrough.ts';

/** What the parser knows of flags and arguments of any shape. */
type Values = Record<string, unknown>;

export abstract class BaseCommand {
  /** `run`, `session:begin`: given to the class when it is loaded, as the framework does too. */
  static id = '';
  static summary: string | undefined;
  static description: string | undefined;
  static usage: string | string[] | undefined;
  static examples: string[] = [];
  /** Whether there may be no more arguments than are declared. */
  static strict = true;
  static args: ArgInput = {};
  static flags: FlagInput = {};
  static baseFlags = {
    root: string({
      description: 'the store (default: /var/lib/chrootctl)',
      env: 'CHROOTCTL_ROOT',
      helpGroup: 'GLOBAL',
      helpValue: 'DIR',
    }),
    driver: string({
      description: 'storage driver, when a store is made',
      env: 'CHROOTCTL_DRIVER',
      helpGroup: 'GLOBAL',
      helpValue: 'NAME',
    }),
    json: boolean({description: 'answer in JSON', helpGroup: 'GLOBAL'}),
    quiet: boolean({char: 'q', description: 'no progress, no remarks', helpGroup: 'GLOBAL'}),
    debug: boolean({description: 'show where an error comes from', helpGroup: 'GLOBAL'}),
  };

  /** Whether words after `--` mean something here. */
  protected readonly takesCommand: boolean = false;
  /** The words after the command's name, up to a `--`. */
  protected readonly argv: readonly string[];

  constructor(argv: readonly string[]) {
    this.argv = argv;
  }

  /** What the command does. */
  abstract run(): Promise<void>;

  /** Runs the command. @throws ChrootctlError, or the parser's error for wrong flags and arguments */
  static async run(
    this: (new (argv: readonly string[]) => BaseCommand) & {id: string},
    argv: readonly string[],
  ) {
    const command = new this(argv);
    if (!command.takesCommand && passthrough() !== undefined) {
      const name = this.id.replaceAll(':', ' ');
      throw new ChrootctlError('USAGE', `${name} takes no command after --`, {
        hint: `chrootctl ${name} --help shows what it takes`,
      });
    }
    await command.run();
  }

  /** The flags and arguments that `command` declares, out of `argv`. @throws the parser's errors, which are wrong usage */
  protected parse<F extends Values, B extends Values, A extends Values>(
    command: Input<F, B, A>,
    argv: readonly string[] = this.argv,
  ): Promise<ParserOutput<F, B, A>> {
    const {args, baseFlags, flags, strict} = command;
    return parse([...argv], {args, flags: {...baseFlags, ...flags}, strict} as Input<F, B, A>);
  }

  /** The store that the flags mean, made if there is none. */
  protected async openStore(flags: {
    root?: string | undefined;
    driver?: string | undefined;
    dataset?: string | undefined;
    unusable?: boolean;
  }): Promise<Store> {
    const {root, driver, dataset, unusable} = flags;
    return Store.open({root, driver, dataset, unusable});
  }

  /** Prints the answer: as JSON if that was asked for, else as `lines` has it. */
  protected answer(flags: {json: boolean}, value: unknown, lines: () => string | readonly string[]): void {
    const text = flags.json ? JSON.stringify(value, null, 2) : [lines()].flat().join('\n');
    if (text !== '') print(`${text}\n`);
  }

  /** The same for an answer of any length, as it comes: a list in JSON, else a line of each. */
  protected async answerEach<T>(
    flags: {json: boolean},
    values: AsyncIterable<T>,
    line: (value: T) => string,
  ): Promise<void> {
    await printEach(flags.json ? listOf(values) : linesOf(values, line));
  }

  /**
   * The answer of a command that has changed something, which stays changed where it cannot be told.
   * @param lines the first one says what is done
   */
  protected done(
    flags: {json: boolean; 'dry-run'?: boolean},
    value: object,
    lines: () => string | readonly string[],
  ): void {
    const isDone = flags['dry-run'] !== true;
    if (isDone) markDone();
    try {
      this.answer(flags, value, lines);
    } catch (error) {
      if (!(error instanceof Untold) || !isDone) throw error;
      const [what] = [lines()].flat();
      throw new Untold(
        error.cause,
        `it is done all the same${what === undefined ? '' : `: ${what}`}`,
        Array.isArray(value) ? {done: value} : value,
      );
    }
  }

  /** A remark for a person; never part of the answer. */
  protected remark(flags: {quiet: boolean}, text: string): void {
    if (!flags.quiet) complain(`${text}\n`);
  }
}

async function* linesOf<T>(values: AsyncIterable<T>, line: (value: T) => string): AsyncGenerator<string> {
  for await (const value of values) yield `${line(value)}\n`;
}

/** As JSON.stringify() writes the whole. */
async function* listOf(values: AsyncIterable<unknown>): AsyncGenerator<string> {
  let isEmpty = true;
  for await (const value of values) {
    yield `${isEmpty ? '[' : ','}\n  ${JSON.stringify(value, null, 2).replaceAll('\n', '\n  ')}`;
    isEmpty = false;
  }
  yield isEmpty ? '[]\n' : '\n]\n';
}
