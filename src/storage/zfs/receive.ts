/**
 * Making a volume of a stream. It is received below `incoming`, under the GUID of its snapshot, where nothing takes it
 * for a volume; when it is there in full it is renamed into the volumes. Of what the sender's dataset was set to
 * nothing is heard: only the stream proper is passed on to zfs-receive(8), with properties of our own.
 */
import {ChrootctlError} from '../../errors.ts';
import {Child} from '../../system/child.ts';
import {deathOf} from '../../system/death.ts';
import {stoppable} from '../../system/interruption.ts';
import type {Incoming, StreamSource} from '../stream-contract.ts';
import {isBusy, isMissing, isTaken, refusal, tryZfs, zfs} from './command.ts';
import {PROPERTY, type Room} from './names.ts';
import {assignments} from './properties.ts';

export interface Stream {
  /** The dataset to receive it in. */
  target: string;
  /** The volume that it builds on, and its snapshot. */
  base: {id: string; snapshot: string} | undefined;
  memo: string | undefined;
  isResuming: boolean;
  source: StreamSource;
}

export function receiver(room: Room, stream: Stream): Incoming['receive'] {
  return async (id, {signal} = {}) => {
    const {target} = stream;
    await make(room.incoming);
    // What an earlier attempt left is of use only to a stream that goes on from there.
    if (!stream.isResuming) await dropIncoming(target);
    try {
      await receive(stream, id, signal);
    } catch (error) {
      await dropUnlessResumable(target);
      throw error;
    }
    await settle(room, stream, id);
  };
}

async function receive(
  {target, base, memo, isResuming, source}: Stream,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const properties = [
    'canmount=noauto',
    `${PROPERTY.volume}=${id}`,
    `${PROPERTY.since}=${Math.floor(Date.now() / 1000)}`,
    ...(base === undefined ? [] : [`${PROPERTY.parent}=${base.id}`]),
    ...(memo === undefined ? [] : memoProperties(memo)),
    // Else any snapshot of the pool with that GUID would do, also one that is not ours.
    ...(base === undefined || isResuming ? [] : [`origin=${base.snapshot}`]),
  ].flatMap((property) => ['-o', property]);
  const child = new Child(
    'zfs',
    ['receive', '-s', '-u', ...properties, `${target}@${id}`],
    ['pipe', 'ignore'],
  );
  await stoppable(pass(source, child), signal, () => {
    source.cancel();
    child.cutOff();
  });
}

/** All of the input is read, also what comes after the end of the stream proper: the sender must not see it closed. */
async function pass(source: StreamSource, child: Child): Promise<void> {
  let isTaking = true;
  try {
    for await (const chunk of source.chunks) {
      if (!isTaking) continue;
      isTaking = await child.feed(chunk);
      if (!isTaking) await succeeded(child);
    }
    await source.finished();
  } finally {
    // What has come is received, whatever became of the rest.
    child.stdin.end();
    await child.ended;
  }
  await succeeded(child);
}

async function succeeded(child: Child): Promise<void> {
  const {code, stderr} = await child.ended;
  if (code !== 0) throw deathOf('the zfs stream is not received', {code, stderr}) ?? failure(stderr);
}

/** From here on it is a volume like any other that was frozen without a note. */
async function settle(room: Room, {target, base, memo}: Stream, id: string): Promise<void> {
  const marks = [
    `${PROPERTY.volume}=${id}`,
    ...(base === undefined ? [] : [`${PROPERTY.parent}=${base.id}`]),
  ];
  await zfs('set', ...marks, `${target}@${id}`);
  const kept = [PROPERTY.since, ...(memo === undefined ? [] : memoProperties(memo).map(nameOf))];
  for (const property of kept) await zfs('inherit', property, target);
  await zfs('rename', target, room.volume(id));
}

function memoProperties(memo: string): string[] {
  return assignments(PROPERTY.incoming, memo).map(([property, value]) => `${property}=${value}`);
}

function nameOf(assignment: string): string {
  return assignment.slice(0, assignment.indexOf('='));
}

/** Stores made before this was possible have no such dataset. */
async function make(dataset: string): Promise<void> {
  const properties = ['canmount=off', 'mountpoint=none', 'com.sun:auto-snapshot=false'];
  const {ok, stderr} = await tryZfs(['create', ...properties.flatMap((one) => ['-o', one]), dataset]);
  if (!ok && !isTaken(stderr)) throw refusal('zfs create', stderr);
}

async function dropIncoming(target: string): Promise<void> {
  const {ok, stderr} = await tryZfs(['destroy', '-r', target]);
  if (ok || isMissing(stderr)) return;
  if (!isBusy(stderr)) throw refusal('zfs destroy', stderr);
  throw beingReceived();
}

async function dropUnlessResumable(target: string): Promise<void> {
  const {ok, stdout} = await tryZfs(['get', '-Hp', '-o', 'value', 'receive_resume_token', target]);
  if (ok && stdout.trim() === '-') await dropIncoming(target);
}

function failure(stderr: string): ChrootctlError {
  const line = stderr.trim().split('\n')[0] ?? '';
  // That is what zfs(8) says of one that is busy being received by another; one that waits to go on does go on.
  if (isBusy(stderr) || /contains partially-complete state/.test(stderr)) return beingReceived();
  if (/incomplete stream|checksum mismatch/.test(stderr))
    return new ChrootctlError('BAD_INPUT', 'the zfs stream is damaged or breaks off', {
      hint: 'nothing was imported; get the stream again',
    });
  if (
    /invalid (?:backup )?stream|incremental source|cannot receive(?:.*)stream: (?:invalid|destination)/.test(
      stderr,
    )
  )
    return new ChrootctlError('BAD_INPUT', `the zfs stream cannot be received: ${line}`, {
      hint: 'nothing was imported; get the stream again',
    });
  return refusal('zfs receive', stderr);
}

function beingReceived(): ChrootctlError {
  return new ChrootctlError('BUSY', 'this stream is being received already', {
    hint: 'wait for the other import, or end it',
  });
}
