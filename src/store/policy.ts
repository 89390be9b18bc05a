/**
 * What holds for an image, whatever version of it is used. It is a file of its own, and the tags' file says that there is
 * one: so a policy that is lost or cannot be read is no licence, but damage. It is there before that is said, and goes
 * after it.
 */
import {join} from 'node:path';
import * as v from 'valibot';
import {ChrootctlError} from '../errors.ts';
import {isThere, removeIfExists, setAside, writeDurably} from '../system/files.ts';
import {formatRecord, readable, readRecord, type RunOptions} from './records.ts';

/** A field that is not known is of a later version, and may forbid something: such a policy is refused. */
export const Policy = v.pipe(
  // A list has no unknown field, and to a schema it is an object.
  v.custom<object>((value) => typeof value === 'object' && !Array.isArray(value), 'it is no object'),
  v.strictObject({
    /** The profile that commands start from where none is asked for. */
    profile: v.optional(v.string()),
  }),
);
export type Policy = v.InferOutput<typeof Policy>;

/** The policy's file; undefined where there is none. @throws ChrootctlError BAD_INPUT */
export function readPolicy(directory: string): Policy | undefined {
  return readRecord(Policy, policyFile(directory));
}

/** For an image whose tags' file says that there is one. @throws ChrootctlError BAD_INPUT, also when it is lost */
export function requirePolicy(directory: string): Policy {
  const policy = readPolicy(directory);
  if (policy !== undefined) return policy;
  throw new ChrootctlError('BAD_INPUT', `${policyFile(directory)} is lost`, {
    hint: 'restore it from a backup, or set the policy anew: chrootctl policy IMAGE --profile NAME',
  });
}

/** What it makes of the options of a command. */
export function optionsUnder({profile}: Policy, options: RunOptions): RunOptions {
  return profile === undefined || options.profile !== undefined ? options : {...options, profile};
}

/** What was there and cannot be read is kept beside. */
export function writePolicy(directory: string, policy: Policy): void {
  const path = policyFile(directory);
  if (readable(() => readRecord(Policy, path) ?? null) === undefined) setAside(path);
  writeDurably(path, formatRecord(policy));
}

export function removePolicy(directory: string): void {
  removeIfExists(policyFile(directory));
}

/** For who makes the tags' file anew, which has lost whether there is one. */
export function hasPolicy(directory: string): {policy?: true} {
  return isThere(policyFile(directory)) ? {policy: true} : {};
}

function policyFile(directory: string): string {
  return join(directory, 'policy.json');
}
