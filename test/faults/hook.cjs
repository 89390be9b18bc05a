/*
 * Loaded before the program (node --require): lets one call of the file system fail, as on a failing, a full or a read-only
 * disk, or where no more files may be open.
 *
 *     CHROOTCTL_FAULTS_BELOW  only calls on paths below this directory count
 *     CHROOTCTL_FAULTS_TO     file to which the name of each call is added, one a line
 *     CHROOTCTL_FAULT         "N ERRNO NAME": the Nth call of this name fails, or all for N = 0; one a line
 *     CHROOTCTL_FAULT_MARK    file that is made when it does
 */
'use strict';
const fs = require('node:fs');
const {syncBuiltinESMExports} = require('node:module');
const {constants} = require('node:os');
const {resolve} = require('node:path');
const {CHANGING, nameOfPath} = require('../crash-points/names.cjs');

// What comes after a succession is not counted here: the supervisor does it.
process.execve = undefined;

const {openSync, writeFileSync, writeSync} = fs;
const below = process.env['CHROOTCTL_FAULTS_BELOW'];
const list = process.env['CHROOTCTL_FAULTS_TO'];
const log = list === undefined ? undefined : openSync(list, 'a');
const mark = process.env['CHROOTCTL_FAULT_MARK'];
const faults = (process.env['CHROOTCTL_FAULT'] ?? '')
  .split('\n')
  .flatMap((line) => /^(?<number>\d+) (?<errno>\w+) (?<wanted>.*)$/.exec(line)?.groups ?? [])
  .map((fault) => ({...fault, number: Number(fault.number), count: 0}));

const READING = ['access', 'exists', 'lstat', 'open', 'read', 'readdir', 'readFile', 'readlink', 'realpath'];
const TWO_PATHS = new Set(['copyFile', 'cp', 'link', 'rename', 'symlink']);
const CALLS = [...CHANGING, ...READING, 'stat', 'statfs', 'close', 'fstat'];

/** Where the open files are; a number may come again for another file. */
const paths = new Map();
/** Node's own functions call each other: only what the program calls counts. */
let isInside = false;

function place(target) {
  if (typeof target === 'number') return paths.get(target);
  const path = resolve(String(target));
  return path.startsWith(`${below}/`) ? nameOfPath(path.slice(below.length + 1)) : undefined;
}

/** As Node throws it; those on open files have no path. */
function failure(syscall, target, errno) {
  const where = typeof target === 'number' ? '' : ` '${target}'`;
  const error = new Error(`${errno}: injected, ${syscall}${where}`);
  const path = typeof target === 'number' ? {} : {path: String(target)};
  return Object.assign(error, {errno: -constants.errno[errno], code: errno, syscall}, path);
}

/** What it is to fail with; undefined for one that is not to. */
function errnoOf(name) {
  if (log !== undefined) writeSync(log, `${name}\n`);
  const due = faults
    .filter(({wanted}) => wanted === name)
    .find((fault) => ++fault.count === fault.number || fault.number === 0);
  if (due !== undefined && mark !== undefined) writeFileSync(mark, '');
  return due?.errno;
}

function unwatched(call) {
  isInside = true;
  try {
    return call();
  } finally {
    isInside = false;
  }
}

for (const call of CALLS) {
  const own = `${call}Sync`;
  const original = fs[own];
  if (typeof original !== 'function') continue;
  fs[own] = function (...args) {
    if (isInside) return original.apply(this, args);
    const at = place(args[0]) ?? (TWO_PATHS.has(call) ? place(args[1]) : undefined);
    // To look whether something is there is one call, by whatever function.
    const name = call === 'exists' ? 'stat' : call;
    const errno = at === undefined ? undefined : unwatched(() => errnoOf(`${name} ${at}`));
    if (errno !== undefined && call === 'exists') return false;
    // What failed to close is closed all the same.
    if (errno !== undefined && call !== 'close') throw failure(call, args[0], errno);
    const result = unwatched(() => original.apply(this, args));
    if (errno !== undefined) throw failure(call, args[0], errno);
    if (call === 'open' && at !== undefined) paths.set(result, at);
    else if (call === 'open') paths.delete(result);
    return result;
  };
  Object.assign(fs[own], original); // realpathSync.native
}
syncBuiltinESMExports();
