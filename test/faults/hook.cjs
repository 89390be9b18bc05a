/*
 * Loaded before the program (node --require): lets the Nth call of one class fail on what lies below a directory, as a failing
 * or a full disk would.
 *
 *     CHROOTCTL_FAULTS_BELOW  only calls on paths below this directory count
 *     CHROOTCTL_FAULT         "CLASS N ERRNO", as in "sync 3 EIO"; N 0: none
 *     CHROOTCTL_FAULTS_TO     file that is given the number of calls of that class
 */
'use strict';
const fs = require('node:fs');
const {syncBuiltinESMExports} = require('node:module');
const {constants} = require('node:os');
const {resolve} = require('node:path');

const {writeFileSync} = fs;
const below = process.env['CHROOTCTL_FAULTS_BELOW'];
const [wanted, number, errno] = process.env['CHROOTCTL_FAULT'].split(' ');
const CLASSES = {
  sync: ['fsyncSync', 'fdatasyncSync'],
  write: ['writeFileSync', 'writeSync', 'ftruncateSync', 'copyFileSync'],
  rename: ['renameSync', 'linkSync'],
  mkdir: ['mkdirSync'],
  unlink: ['unlinkSync', 'rmSync', 'rmdirSync'],
  open: ['openSync'],
};

/** Where the open files are; a number may come again for another file. */
const paths = new Map();
let calls = 0;
/** Node's own functions call each other: only what the program calls counts. */
let isInside = false;

function place(target) {
  if (typeof target === 'number') return paths.get(target);
  const path = resolve(String(target));
  return path.startsWith(`${below}/`) ? path : undefined;
}

function wrap(name, around) {
  const original = fs[name];
  fs[name] = function (...args) {
    if (isInside) return original.apply(this, args);
    return around(args, () => {
      isInside = true;
      try {
        return original.apply(this, args);
      } finally {
        isInside = false;
      }
    });
  };
}

/** As Node throws it; those on open files have no path. */
function failure(syscall, target) {
  const where = typeof target === 'number' ? '' : ` '${target}'`;
  const error = new Error(`${errno}: injected, ${syscall}${where}`);
  const path = typeof target === 'number' ? {} : {path: String(target)};
  return Object.assign(error, {errno: -constants.errno[errno], code: errno, syscall}, path);
}

function failIfWanted(name, args) {
  if (!CLASSES[wanted].includes(name)) return;
  if (args.slice(0, 2).every((target) => place(target) === undefined)) return;
  if (++calls === Number(number)) throw failure(name.replace('Sync', ''), args[0]);
}

for (const name of Object.values(CLASSES).flat()) {
  wrap(name, (args, call) => {
    failIfWanted(name, args);
    const result = call();
    if (name !== 'openSync') return result;
    const at = place(args[0]);
    if (at === undefined) paths.delete(result);
    else paths.set(result, at);
    return result;
  });
}

process.once('exit', () => {
  const list = process.env['CHROOTCTL_FAULTS_TO'];
  if (list !== undefined) writeFileSync(list, String(calls));
});
syncBuiltinESMExports();
