/** Runs one command in a sandbox and waits for its end. */
import type {ChildProcess} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {constants} from 'node:os';
import {basename} from 'node:path';
import type {Readable, Writable} from 'node:stream';
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {insideProgram, supervisorProgram} from '../system/installed.ts';
import {interruptedCode} from '../system/interruption.ts';
import {notStarted, start as startProgram, systemPath} from '../system/programs.ts';
import {requireRights} from '../system/refusal.ts';
import {withMounted} from '../system/view.ts';
import {AT_START, PROCEED} from './chain.ts';
import {NEEDED_TO_SWITCH} from './confinement.ts';
import {killedFor, peakOf, usageOf} from './consumption.ts';
import {Delivery} from './delivery.ts';
import type {Holder} from './holder.ts';
import {createLimits, groupIdOf, removeLimits, type Joined} from './limits.ts';
import {exitCodeOf, hasStarted, isBorn, type Ending} from './outcome.ts';
import {LENGTH} from './outer.ts';
import {outerWords, PIPED} from './outer-program.ts';
import type {Place} from './places.ts';
import {prepare, type Prepared} from './prepare.ts';
import {relaySignals} from './signals.ts';
import type {SandboxRoot, SandboxResult, SandboxSpec} from './spec.ts';
import {streamFailure, Streams, type Stdio} from './streams.ts';
import {beSucceededBy, canBeSucceeded, type Succeeded, type Succession} from './succession.ts';
import {processesBetween, supervisorWords} from './supervisor.ts';
import {terminalFor, type Terminal} from './terminal.ts';
import {startTimer} from './timeout.ts';
import {toolbox, type Toolbox} from './toolbox.ts';
import {viewsOf} from './volumes.ts';

export interface LaunchOptions {
  /** Standard input, output and error: all alike, or each by itself. Default: inherit. */
  stdio?: Stdio;
  /** Called before anything is made in the root, with what will be and is not the command's doing. */
  onPlaces?: (places: readonly Place[]) => void;
  /** Called with the process that lives exactly as long as the sandbox, once it has been started. */
  onStart?: (pid: number) => void;
  /**
   * A file of ours that the chain locks for life (system/life.ts) when it starts, and has closed before anything else is
   * started: the lock is ours from then on, as long as we have it open.
   */
  lifeline?: number | undefined;
  /**
   * Nothing else is left to do for this process: it may be succeeded, and then this does not come back. Not where it must
   * see what happens meanwhile.
   */
  succession?: Succession | undefined;
  /** It comes into the sandbox that this holds, made for the same description but for what is the command's own (holder.ts). */
  holder?: Holder | undefined;
  /** Called when all mounts are made and the command is about to run. */
  onReady?: () => void;
  /**
   * Keeps copies of a few programs of the host between runs (3 MB), for new privileges and where native/inside is missing. On
   * a file system that allows execution.
   */
  cacheDirectory?: string;
}

const DEFAULT_CACHE = '/var/cache/chrootctl';

/**
 * Runs `spec.command` and resolves when it has ended, with every process and mount of its sandbox gone. Signals sent
 * to this process meanwhile go to the command. If this process dies, kill -9 included, the sandbox dies with it.
 *
 * @throws ChrootctlError USAGE, NOT_PERMITTED or FAILED when the command could not be run at all; its own failure,
 *   or its not being found inside, is an exit code
 */
export async function launch(spec: SandboxSpec, options: LaunchOptions = {}): Promise<SandboxResult> {
  if (process.geteuid?.() !== 0) {
    throw new ChrootctlError('NOT_PERMITTED', 'only root can run commands in a chroot', {
      hint: 'try again with sudo',
    });
  }
  // What is refused later says so by itself; without these, something would go wrong inside.
  requireRights(
    'cannot set up the sandbox',
    spec.user === undefined ? ['SETPCAP'] : [...NEEDED_TO_SWITCH, 'KILL'],
  );
  const {holder} = options;
  // The stand-in of new privileges is a shell.
  const program = spec.newPrivileges === true && holder === undefined ? undefined : insideProgram();
  const tools = program ?? (await toolbox(options.cacheDirectory ?? DEFAULT_CACHE));
  const prepared = await prepareFor(spec, tools);
  const streams = new Streams(options.stdio ?? 'inherit');
  const terminal = terminalFor(prepared.user, streams);
  if (holder === undefined) options.onPlaces?.(prepared.places);
  if ('plan' in spec.root && holder === undefined) mkdirSync(spec.root.mountPoint, {recursive: true});
  const group = groupIdOf(spec.id);
  const enters = spec.newPrivileges === true && holder === undefined;
  // perl does what the supervisor does not.
  const supervised = terminal.own.length === 0 && !enters ? supervisorWords() : undefined;
  const between = processesBetween({isSupervised: supervised !== undefined, isHeld: holder !== undefined});
  const joined = createLimits(group, spec, between);
  const {groups} = joined;
  try {
    await beSucceeded(prepared, {joined, streams, terminal}, spec, options);
    // As a signal that meets the sandbox before it has come to its command.
    const interrupted = options.succession === undefined ? undefined : interruptedCode();
    if (interrupted !== undefined) return {exitCode: interrupted, timedOut: false};
    // Node loads the clock that is called `performance` when it is first named, which takes a millisecond.
    const begun = process.hrtime.bigint();
    const {status, ...result} = await runChain(
      {
        outer: () => {
          const hasLifeline = options.lifeline !== undefined;
          return holder === undefined
            ? prepared.outer(joined, streams, terminal, hasLifeline)
            : prepared.entering(holder, joined, streams, terminal, hasLifeline);
        },
        innermost: prepared.innermost,
        sharesKeys: terminal.own.length === 0,
        words: supervised ?? outerWords({enters}),
        between,
      },
      streams,
      spec,
      options,
    );
    const wall = Number(process.hrtime.bigint() - begun) / 1e9;
    return {
      ...result,
      ...(spec.limits.memory === undefined ? {} : {outOfMemory: killedFor(groups)}),
      ...(spec.measured === true ? {usage: usageOf(status, wall, peakOf(groups))} : {}),
    };
  } finally {
    if (groups.length > 0) removeLimits(group);
  }
}

export function prepareFor(spec: SandboxSpec, tools: Toolbox | string): Promise<Prepared> {
  return withLayers(spec.root, (layers) => Promise.resolve(prepare(spec, viewsOf(layers), tools)));
}

/** The rest of a launch whose process was succeeded, when it goes on. */
export function concludeLaunch({id, groups, ending, failure}: Succeeded): SandboxResult {
  try {
    if (failure !== undefined) throw streamFailure(failure);
    const exitCode = exitCodeOf(ending);
    return {
      exitCode,
      timedOut: ending.timedOut,
      ...(groups.length > 0 ? {outOfMemory: killedFor(groups)} : {}),
    };
  } finally {
    if (groups.length > 0) removeLimits(groupIdOf(id));
  }
}

/** Comes back where this process cannot be succeeded. */
async function beSucceeded(
  prepared: Prepared,
  {joined, streams, terminal}: {joined: Joined; streams: Streams; terminal: Terminal},
  spec: SandboxSpec,
  {succession, onReady, onStart, stdio = 'inherit'}: LaunchOptions,
): Promise<void> {
  if (succession === undefined || !isPlain(spec, terminal)) return;
  if (stdio !== 'inherit' || onReady !== undefined || onStart !== undefined || !canBeSucceeded()) return;
  const supervisor = supervisorProgram();
  if (supervisor === undefined) return;
  await beSucceededBy(supervisor, succession, {
    outer: prepared.outer(joined, streams, terminal, false).subarray(LENGTH),
    innermost: prepared.innermost(),
    timeout: spec.timeout,
    groups: joined.groups,
  });
}

/** Whether the supervisor does all that this takes. */
function isPlain({newPrivileges = false, measured = false}: SandboxSpec, terminal: Terminal): boolean {
  return !newPrivileges && !measured && terminal.own.length === 0;
}

/**
 * The directories in which the root can be looked into. A root that shows nothing until it is mounted (a ZFS dataset)
 * is mounted for the look, out of everybody's sight, or what shows the same for now.
 */
async function withLayers(
  root: SandboxRoot,
  work: (layers: readonly string[]) => Promise<Prepared>,
): Promise<Prepared> {
  if (!('plan' in root)) return work([root.directory]);
  const {layers, look, held} = root.plan;
  if (layers.length > 0) return work(layers);
  if (held === undefined) return withMounted(look ?? root.plan, (directory) => work([directory]));
  try {
    return await work([held.directory]);
  } finally {
    await held.release();
  }
}

interface Ended {
  exitCode: number;
  timedOut: boolean;
  /** What the chain reported. */
  status: string;
}

async function runChain(
  input: {
    outer: () => Buffer;
    innermost: () => Buffer;
    sharesKeys: boolean;
    /** They start the outermost process. */
    words: readonly string[];
    /** Processes between that and the command. */
    between: number;
  },
  streams: Streams,
  spec: SandboxSpec,
  options: LaunchOptions,
): Promise<Ended> {
  const delivery = new Delivery(input.sharesKeys, {outlives: options.holder !== undefined});
  // Before there is anything to send to: from the first process on, a signal is the command's.
  const stopRelay = relaySignals(delivery);
  const timer = startTimer(spec.timeout, delivery);
  try {
    const child = start(streams, input.words, options);
    delivery.begin(child.pid, input.between);
    const {holder, onStart} = options;
    // Coming in, a command begins as soon as it has been told, and else when it is answered.
    if (holder !== undefined && child.pid !== undefined) onStart?.(child.pid);
    const ends: readonly unknown[] = child.stdio;
    const told = ends[AT_START.told] as Writable;
    const answer = ends[AT_START.answer] as Writable;
    let failure: Error | undefined;
    const orEnd = (work: () => void) => {
      try {
        work();
      } catch (error) {
        failure = toChrootctlError(error);
        child.kill('SIGKILL');
      }
    };
    // While the chain starts, there is time to make what it is told.
    let isPiped = streams.made.length === 0;
    orEnd(() => {
      send(told, input.outer());
      if (isPiped) send(told, input.innermost());
    });
    const setup = collect(ends[AT_START.setup] as Readable, (text) => {
      if (!isPiped && text.includes(PIPED)) {
        isPiped = true;
        orEnd(() => {
          streams.begin(child.pid ?? 0);
          send(told, Buffer.concat([Buffer.from('\n'), input.innermost()]));
        });
      }
      if (hasStarted(text)) options.onReady?.();
    });
    let isAnswered = false;
    const status = collect(ends[AT_START.status] as Readable, (text) => {
      if (isAnswered || !isBorn(text)) return;
      isAnswered = true;
      delivery.open();
      send(answer, PROCEED);
    });
    const signal = await ended(child, holder === undefined ? onStart : undefined).finally(() =>
      streams.end(),
    );
    if (failure !== undefined) throw failure;
    const ending: Ending = {
      timedOut: timer.expired(),
      first: delivery.first && constants.signals[delivery.first],
      signal: signal === null ? 0 : constants.signals[signal],
      status: status(),
      said: setup(),
    };
    return {timedOut: ending.timedOut, status: ending.status, exitCode: exitCodeOf(ending)};
  } finally {
    timer.stop();
    stopRelay();
    delivery.sweep();
    delivery.close();
  }
}

function start(
  {given: [stdin = -1, stdout = -1, stderr = -1]}: Streams,
  [file = '', ...args]: readonly string[],
  {lifeline}: LaunchOptions,
): ChildProcess {
  const streams: ('pipe' | number)[] = [];
  [streams[AT_START.stdin], streams[1], streams[AT_START.stderr]] = [stdin, stdout, stderr];
  for (const number of [AT_START.told, AT_START.setup, AT_START.status, AT_START.answer])
    streams[number] = 'pipe';
  if (lifeline !== undefined) streams[AT_START.first] = lifeline;
  return startProgram(file, args, {stdio: streams, env: {PATH: systemPath()}, cwd: '/'});
}

/** A chain that fails early closes its end (EPIPE); its failure is reported from the set-up descriptor. */
function send(stream: Writable, data: string | Buffer): void {
  stream.on('error', () => undefined).write(data);
}

function collect(stream: Readable, onText: (text: string) => void = () => undefined): () => string {
  let text = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    onText(text);
  });
  return () => text;
}

/** Resolves when the chain has ended and all that it reported has been read. */
function ended(child: ChildProcess, onStart: LaunchOptions['onStart']): Promise<NodeJS.Signals | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(basename(child.spawnfile), error)));
    child.once('close', (_code, signal) => resolve(signal));
    if (child.pid !== undefined) onStart?.(child.pid);
  });
}
