/** chrootctl as a library: what the commands are made of. */
import {installedIn} from './system/installed.ts';

export {ChrootctlError, EXIT_CODES, type ErrorCode} from './errors.ts';
export {serve, type Caller} from './autopkgtest/serve.ts';
export {makeTestbed, type TestbedOptions} from './autopkgtest/testbed.ts';
export {parseReference, parseTarget, type Reference} from './reference.ts';
export {Store, storeRoot, type StoreOptions} from './store/store.ts';
export {readReference, resolveReference} from './store/resolve.ts';
export type {HistoryEntry, RunConfig, RunOptions, SessionRecord, VersionRecord} from './store/records.ts';
export type {Change, MountPlan, StorageDriver} from './storage/driver.ts';
export {exportForSbuild, type SbuildTarball} from './sbuild/export.ts';
export {begin, type BeginOptions, type Begun} from './session/begin.ts';
export {commitSession, endSession} from './session/commit.ts';
export {exec} from './session/exec.ts';
export {listSessions, type ListedSession} from './session/list.ts';
export type {CommitOptions, Committed} from './session/publish.ts';
export {removeSession} from './session/remove.ts';
export {run, type RunRequest, type RunResult} from './session/run.ts';
export {update, type UpdateRequest} from './session/update.ts';
export {diff} from './images/diff.ts';
export {exportVersion} from './images/export.ts';
export {bootstrapImage, importImage} from './images/import.ts';
export {inspectVersion, listHistory, listVersions, type ListedVersion} from './images/list.ts';
export {exportStream, resumeStream, type StreamOptions} from './images/send.ts';
export {prune} from './images/prune.ts';
export {removeReference} from './images/remove.ts';
export {rollback, tagVersion, untagVersion} from './images/tags.ts';
export {collect} from './upkeep/collect.ts';
export {diagnose, type Diagnosis} from './upkeep/doctor.ts';

// Beside the build of it are programs in C.
installedIn(import.meta.dirname);
