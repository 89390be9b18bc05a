/* The names of steps: the same in every run, whatever the ids. */
'use strict';

/** Functions of node:fs that change what is on the disk, or what of it lasts; `open` has its own rules. */
const CHANGING = [
  ...['appendFile', 'copyFile', 'cp', 'write', 'writeFile', 'writev', 'truncate', 'ftruncate'],
  ...['chmod', 'fchmod', 'lchmod', 'chown', 'fchown', 'lchown', 'utimes', 'futimes', 'lutimes'],
  ...['link', 'symlink', 'mkdir', 'mkdtemp', 'mkdtempDisposable', 'rename', 'rm', 'rmdir', 'unlink'],
  ...['fsync', 'fdatasync'],
];

/** What random ids, by their lengths, stand for. */
const IDS = {10: 'VOLUME', 12: 'SESSION', 16: 'VERSION'};

/** @param path relative */
function nameOfPath(path) {
  return path
    .replace(/\.[\da-f-]+\.\d+\.tmp\b/g, '.tmp')
    .replace(/(\.chrootctl-trial-)\w+/, '$1…')
    .replace(/(\/execs\/\w+)\.\w+\.json/, '$1.ID.json')
    .replace(/(\/locks\/exec-\w+)\.\w+\.lock/, '$1.ID.lock')
    .replace(/^(store\/(?:volumes|mnt)\/[^/]+\/(?:fs|merged)|store\/mnt\/[^/]+)\/.*/s, '$1/…')
    .split('/')
    .map((part) =>
      part.replace(
        /(?<=^|^session-|^owner-|^sandbox-)[0-9a-hjkmnp-tv-z]+(?=\.|$)/,
        (id) => IDS[id.length] ?? id,
      ),
    )
    .join('/');
}

/** The program and its subcommand. */
function nameOfProgram(file, args) {
  const rest = args.findIndex((word) => !/^[a-z]+$/.test(word));
  const words = args.slice(0, rest === -1 ? args.length : rest).slice(0, 2);
  return [String(file).replace(/^.*\//, ''), ...words].join(' ');
}

module.exports = {CHANGING, nameOfPath, nameOfProgram};
