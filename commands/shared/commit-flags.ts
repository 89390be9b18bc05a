/** The flags of everything that makes a version. */
import {boolean, string} from '@oclif/core/flags';
import type {CommitOptions, Committed} from '../../src/session/publish.ts';

export const messageFlags = {
  message: string({char: 'm', description: 'what this version is, for the history', helpValue: 'TEXT'}),
  bump: string({
    options: ['major', 'minor', 'patch'],
    description: 'tag it with the version after the highest semver tag',
  }),
  force: boolean({description: 'move the tags wherever they point now'}),
};

/** @throws ChrootctlError USAGE */
export function commitOptions(flags: {
  message?: string | undefined;
  bump?: string | undefined;
  force?: boolean;
}): Pick<CommitOptions, 'message' | 'bump' | 'force'> {
  const {message, bump, force} = flags;
  return {
    ...(message === undefined ? {} : {message}),
    ...(bump === 'major' || bump === 'minor' || bump === 'patch' ? {bump} : {}),
    ...(force === true ? {force} : {}),
  };
}

/** Says which tags point at the new version, and that `latest` does not where that could be a surprise. */
export function describeCommit({image, version, tags}: Committed): string {
  const moved = tags.length === 0 ? 'untagged' : tags.join(', ');
  const note = tags.includes('latest') ? '' : ' (latest has moved meanwhile and was left where it is)';
  return `${image}@${version}: ${moved}${note}`;
}
