/*
 * Loaded before the program (node --require): lets one call of the file system fail, as on a failing, a full or a read-only
 * disk, or where no more files may be open.
 *
 *     CHROOTCTL_FAULTS_BELOW  only calls on paths below this directory count
 *     CHROOTCTL_FAULTS_TO     file to which the name of each call is added, one a line
 *     CHROOTCTL_FAULT         "N ERRNO NAME": the Nth call of this name fails, or all for N = 0
 *     CHROOTCTL_FAULT_MARK    file that is made when it does
 */
'use strict';
const fs = require('node:fs');
const {syncBuiltinESMExports} = require('node:module');
const {constants} = require('node:os');
const {resolve} = require('node:path');
const {CHANGING, nameOfPath} = require('../crash-points/names.cjs');

const {openSync, writeFileSync, writeSync} = fs;
const below = process.env['CHROOTCTL_FAULTS_BELOW'];
const list = process.env['CHROOTCTL_FAULTS_TO'];
const log = list === undefined ? undefined : openSync(list, 'a');
const mark = process.env['CHROOTCTL_FAULT_MARK'];
const [, number, errno, wanted] = /^(\d+) (\w+) (.*)$/.exec(process.env['CHROOTCTL_FAULT'] ?? '') ?? [];

const READING = ['access', 'exists', 'lstat', 'open', 'read', 'readdir', 'readFile', 'readlink', 'realpath'];
const TWO_PATHS = new Set(['copyFile', 'cp', 'link', 'rename', 'symlink']);
const CALLS = [...CHANGING, ...READING, 'stat', 'statfs', 'close', 'fstat'];

/** Where the open files are; a number may come again for another file. */
const paths = new Map();
let count = 0;
/** Node's own functions call each other: only what the program calls counts. */
let isInside = false;

function place(target) {
  if (typeof target === 'number') return paths.get(target);
  const path = resolve(String(target));
  return path.startsWith(`${below}/`) ? nameOfPath(path.slice(below.length + 1)) : undefined;
}

/** As Node throws it; those on open files have no path. */
function failure(syscall, target) {
  const where = typeof target === 'number' ? '' : ` '${target}'`;
  const error = new Error(`${errno}: injected, ${syscall}${where}`);
  const path = typeof target === 'number' ? {} : {path: String(target)};
  return Object.assign(error, {errno: -constants.errno[errno], code: errno, syscall}, path);
}

function isWanted(name) {
  if (log !== undefined) writeSync(log, `${name}\n`);
  if (name !== wanted || (Number(number) !== 0 && ++count !== Number(number))) return false;
  if (mark !== undefined) writeFileSync(mark, '');
  return true;
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
    const fails = at !== undefined && unwatched(() => isWanted(`${name} ${at}`));
    if (fails && call === 'exists') return false;
    // What failed to close is closed all the same.
    if (fails && call !== 'close') throw failure(call, args[0]);
    const result = unwatched(() => original.apply(this, args));
    if (fails) throw failure(call, args[0]);
    if (call === 'open' && at !== undefined) paths.set(result, at);
    else if (call === 'open') paths.delete(result);
    return result;
  };
  Object.assign(fs[own], original); // realpathSync.native
}
syncBuiltinESMExports();
