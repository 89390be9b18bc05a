/**
 * The store's records: small JSON files that a person can read with cat. They are checked as they are read, since a
 * person can also write them.
 */
import * as v from 'valibot';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {readText} from '../system/files.ts';

const ID = /^[0-9a-hjkmnp-tv-z]{1,32}$/;
const Id = v.pipe(v.string(), v.regex(ID));
const Labels = v.record(v.string(), v.string());

const Mount = v.object({source: v.string(), target: v.string(), readOnly: v.boolean()});

const Device = v.object({source: v.string(), target: v.string(), access: v.string()});
const Tmpfs = v.object({
  target: v.string(),
  /** Bytes. */
  size: v.optional(v.number()),
  mode: v.number(),
  readOnly: v.boolean(),
});
const Ulimit = v.object({name: v.string(), soft: v.number(), hard: v.number()});

/** How commands run in a version unless told otherwise. */
export const RunConfig = v.object({
  env: v.optional(v.record(v.string(), v.string()), {}),
  user: v.optional(v.string()),
  workdir: v.optional(v.string()),
  command: v.optional(v.array(v.string())),
  mounts: v.optional(v.array(Mount), []),
});
export type RunConfig = v.InferOutput<typeof RunConfig>;

/** What a user can ask of a run, beyond the command; each overrides what the version's config says. */
export const RunOptions = v.object({
  env: v.optional(v.record(v.string(), v.string())),
  user: v.optional(v.string()),
  workdir: v.optional(v.string()),
  hostname: v.optional(v.string()),
  network: v.optional(v.picklist(['host', 'none'])),
  readOnly: v.optional(v.boolean()),
  volumes: v.optional(v.array(Mount)),
  devices: v.optional(v.array(Device)),
  tmpfs: v.optional(v.array(Tmpfs)),
  /** Bytes. */
  shm: v.optional(v.number()),
  ulimits: v.optional(v.array(Ulimit)),
  capAdd: v.optional(v.array(v.string())),
  capDrop: v.optional(v.array(v.string())),
  privileged: v.optional(v.boolean()),
  newPrivileges: v.optional(v.boolean()),
  deviceNodes: v.optional(v.boolean()),
  /** Bytes. */
  memory: v.optional(v.number()),
  cpus: v.optional(v.number()),
  pids: v.optional(v.number()),
  /** Bytes that may be written to the root. */
  storage: v.optional(v.number()),
  /** Seconds. */
  timeout: v.optional(v.number()),
  profile: v.optional(v.string()),
});
export type RunOptions = v.InferOutput<typeof RunOptions>;

/** What is known of a version but for where and how large it is: what a driver's ledger keeps with the volume. */
export const VersionMemo = v.object({
  id: Id,
  image: v.string(),
  /** The version it was made from; null for one that was imported. It may belong to another image, or be removed. */
  parent: v.nullable(Id),
  /** ISO 8601, UTC. */
  created: v.string(),
  message: v.string(),
  labels: Labels,
  config: RunConfig,
});
export type VersionMemo = v.InferOutput<typeof VersionMemo>;

/** One immutable root file system. */
export const VersionRecord = v.object({
  ...VersionMemo.entries,
  volume: Id,
  /** Bytes on disk beyond the parent's. */
  size: v.number(),
});
export type VersionRecord = v.InferOutput<typeof VersionRecord>;

type Tags = Record<string, string>;

/** By hand: every run reads the tags, and for thousands a schema of each takes several times as long. */
function isTags(value: unknown): value is Tags {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((id) => typeof id === 'string' && ID.test(id));
}

/** Without a prototype: `constructor` is a good name for a tag, and is there only if somebody gave it. */
export function bare(tags: Tags): Tags {
  return Object.setPrototypeOf(tags, null) as Tags;
}

/** The tags of an image. `seq` counts its moves: history entries beyond it belong to a move that never happened. */
export const Refs = v.object({
  seq: v.number(),
  tags: v.pipe(v.custom<Tags>(isTags, 'not a table of tags'), v.transform(bare)),
  /** There is a policy: see policy.ts. */
  policy: v.optional(v.literal(true)),
});
export type Refs = v.InferOutput<typeof Refs>;

export const HISTORY_ACTIONS = [
  'import',
  'bootstrap',
  'commit',
  'tag',
  'untag',
  'rollback',
  'remove',
] as const;
export type HistoryAction = (typeof HISTORY_ACTIONS)[number];

/** One move of one tag. */
export const HistoryEntry = v.object({
  seq: v.number(),
  time: v.string(),
  tag: v.string(),
  from: v.nullable(Id),
  to: v.nullable(Id),
  by: v.string(),
  action: v.picklist(HISTORY_ACTIONS),
  message: v.string(),
});
export type HistoryEntry = v.InferOutput<typeof HistoryEntry>;

export const OwnerRecord = v.object({
  pid: v.number(),
  started: v.string(),
  boot: v.string(),
  namespace: v.string(),
  time: v.optional(v.string()),
});

/** What a sandbox makes in a root: see sandbox/places.ts. */
const Place = v.object({path: v.string(), kind: v.picklist(['directory', 'file', 'copy'])});

export const SESSION_KINDS = ['run', 'session', 'import', 'bootstrap'] as const;

/** Something that is using the store now: it pins `version`, and `volumes` are its own. */
export const SessionRecord = v.object({
  id: v.string(),
  kind: v.picklist(SESSION_KINDS),
  name: v.nullable(v.string()),
  image: v.string(),
  /** The version it was cloned from; null while an import makes a first one. */
  version: v.nullable(Id),
  /** The root in which commands run. */
  volume: Id,
  /** Volumes made on the way to a commit. */
  pending: v.array(Id),
  /** The volume of the version that was last committed from it, in whatever image: what it holds beyond that is in none. */
  saved: v.optional(Id),
  /** Ends with its owner; what it leaves is anybody's to collect. */
  ephemeral: v.boolean(),
  /** Of one that ends with its owner: others run commands in it as long as that lives. */
  shared: v.optional(v.literal(true)),
  owner: OwnerRecord,
  created: v.string(),
  command: v.array(v.string()),
  labels: Labels,
  /** The version's, which the next one inherits. */
  config: RunConfig,
  /** What it was begun with; `exec` starts from there. */
  options: RunOptions,
  /** The holder of the session's lock is taking its root away, for a while or for good: wait for the lock. */
  changing: v.optional(v.boolean(), false),
  /** The mount namespace in which its root was mounted last, as /proc/self/ns/mnt names it. */
  mounted: v.optional(v.string()),
  /** The process that the sandbox of its commands descends from: see session/sandbox.ts. */
  sandbox: v.optional(OwnerRecord),
  /** What sandboxes have made in its root. */
  places: v.optional(v.array(Place), []),
});
export type SessionRecord = v.InferOutput<typeof SessionRecord>;

/** A command that runs in a kept session. */
export const ExecRecord = v.object({
  session: v.string(),
  owner: OwnerRecord,
  command: v.array(v.string()),
  /**
   * The process that its sandbox descends from, in the owner's namespaces; null until it is started, which only the holder
   * of the session's lock does. Older records do not tell: there it is the owner.
   */
  sandbox: v.optional(v.nullable(v.object({pid: v.number(), started: v.string()}))),
});
export type ExecRecord = v.InferOutput<typeof ExecRecord>;

export const StoreFormat = v.object({
  format: v.number(),
  driver: v.string(),
  created: v.string(),
  /** Of the driver zfs: the dataset below which everything lies. */
  dataset: v.optional(v.string()),
});
export type StoreFormat = v.InferOutput<typeof StoreFormat>;

/** @throws ChrootctlError BAD_INPUT when the text is not such a record; `origin` names the file in the message. */
export function parseRecord<T>(schema: v.GenericSchema<unknown, T>, text: string, origin: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(origin, 'it is not JSON', error);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw damaged(origin, `${v.getDotPath(issue) ?? 'it'}: ${issue.message}`);
}

/** The record in a file, or undefined where there is none. @throws ChrootctlError BAD_INPUT */
export function readRecord<T>(schema: v.GenericSchema<unknown, T>, path: string): T | undefined {
  const text = readText(path);
  return text === undefined ? undefined : parseRecord(schema, text, path);
}

/** Whether something is there and cannot be read. */
export function isDamage(error: unknown): error is ChrootctlError {
  return error instanceof ChrootctlError && error.code === 'BAD_INPUT';
}

/** Whether the disk does not give back what is there, and may yet: it says what it said. */
export function isWithheld(error: unknown): boolean {
  return isDamage(error) && errnoOf(error.cause) === 'EIO';
}

/** What is said of what cannot be read; undefined where it can. */
export function messageIfDamaged(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (isDamage(error)) return error.message;
    throw error;
  }
}

/** What cannot be read as a record is undefined here: for who goes on with the others, and tells of it elsewhere. */
export function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** JSON as the store writes it: indented, for readers of both kinds. */
export function formatRecord(record: object): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

export function damaged(origin: string, why: string, cause?: unknown): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `${origin} is damaged: ${why}`, {
    hint: 'chrootctl doctor tells what is affected, and --fix mends what it can; else restore the file from a backup',
    cause,
  });
}
