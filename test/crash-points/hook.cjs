/*
 * Loaded before the program (node --require): writes down every step that changes the disk, or dies right before one.
 * Since nothing happens between two steps, right before the next one is right after the one before.
 *
 *     CHROOTCTL_STEPS_BELOW  only steps on paths below this directory count; programs always do
 *     CHROOTCTL_STEPS_TO     file to which the name of each step is added, one a line
 *     CHROOTCTL_DIE_AT       "N NAME": die by SIGKILL before the Nth step of this name
 */
'use strict';
const {Buffer} = require('node:buffer');
const childProcess = require('node:child_process');
const fs = require('node:fs');
const {syncBuiltinESMExports} = require('node:module');
const {resolve} = require('node:path');
const {CHANGING, nameOfPath, nameOfProgram} = require('./names.cjs');

// What comes after a succession is not counted here: the supervisor does it.
process.execve = undefined;

const {openSync, writeSync, writeFileSync} = fs;
const below = process.env['CHROOTCTL_STEPS_BELOW'];
const list = process.env['CHROOTCTL_STEPS_TO'];
const log = list === undefined ? undefined : openSync(list, 'a');
const [, occurrence, fatal] = /^(\d+) (.*)$/.exec(process.env['CHROOTCTL_DIE_AT'] ?? '') ?? [];

/** What overlayfs keeps in its work directory, from one moment to the next. */
const OF_KERNEL = /^store\/volumes\/[^/]+\/work\/work\/./;

const counts = new Map();
/** Where the open files are; a number may come again for another file. */
const paths = new Map();

function die() {
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

/** Says whether this is where to die. */
function isFatal(name) {
  const count = (counts.get(name) ?? 0) + 1;
  counts.set(name, count);
  if (log !== undefined) writeSync(log, `${name}\n`);
  return name === fatal && count === Number(occurrence);
}

function step(name) {
  if (isFatal(name)) die();
}

/** Undefined for what is not below the directory that counts. */
function place(target) {
  if (typeof target === 'number') return paths.get(target);
  const path = resolve(String(target));
  if (!path.startsWith(`${below}/`)) return undefined;
  const name = nameOfPath(path.slice(below.length + 1));
  return OF_KERNEL.test(name) ? undefined : name;
}

function isForWriting(flags) {
  if (typeof flags !== 'number') return /[wa+]/.test(flags ?? 'r');
  return (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT)) !== 0;
}

/** Node's own functions call each other: only what the program calls is a step. */
let isInside = false;

function wrap(module, name, around) {
  const original = module[name];
  module[name] = function (...args) {
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

/** A write can also die in the middle. */
function tear(name, [target, data, options]) {
  if (!isFatal(`half of ${name}`)) return;
  isInside = true;
  const bytes = Buffer.from(data);
  writeFileSync(target, bytes.subarray(0, bytes.length >> 1), options);
  die();
}

for (const name of CHANGING) {
  for (const [module, own] of [
    [fs, `${name}Sync`],
    [fs, name],
    [fs.promises, name],
  ]) {
    if (typeof module[own] !== 'function') continue;
    wrap(module, own, (args, call) => {
      const at = place(args[0]) ?? (typeof args[1] === 'string' ? place(args[1]) : undefined);
      if (at === undefined) return call();
      step(`${name} ${at}`);
      if (own === 'writeFileSync') tear(`${name} ${at}`, args);
      return call();
    });
  }
}

wrap(fs, 'openSync', ([path, flags], call) => {
  const at = place(path);
  if (at !== undefined && isForWriting(flags)) step(`open ${at}`);
  const fd = call();
  if (at === undefined) paths.delete(fd);
  else paths.set(fd, at);
  return fd;
});

for (const name of ['spawn', 'exec', 'execFile', 'spawnSync', 'execSync', 'execFileSync']) {
  wrap(childProcess, name, ([file, args], call) => {
    const program = nameOfProgram(file, Array.isArray(args) ? args : []);
    step(`start ${program}`);
    const child = call();
    step(`started ${program}`);
    if (name.endsWith('Sync')) return child;
    return child.once('exit', () => step(`ended ${program}`));
  });
}

// A temporary file counts as left behind when it is a minute old: for this program, all are.
const now = Date.now.bind(Date);
Date.now = () => now() + 3_600_000;

process.once('exit', () => step('exit'));
syncBuiltinESMExports();
