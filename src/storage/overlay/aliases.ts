/**
 * tar(1) and cp(1) bring what is at a path to the same path elsewhere. What lies in a renamed directory has another
 * path in the layers below: symbolic links make it appear at the new one.
 */
import {mkdirSync, symlinkSync} from 'node:fs';
import {deleteTree} from '../trees/delete.ts';
import {asBytes, bytePath, joinBytes, nameOf, parentOf, type BytePath} from '../trees/bytes.ts';
import {located, type Place} from '../trees/union.ts';

export class Aliases {
  readonly #directory: string;
  readonly #bases = new Map<string, BytePath>();

  /** What is left in the directory by others goes. */
  constructor(directory: string) {
    this.#directory = directory;
    deleteTree(directory);
  }

  /** A directory in which `path` leads to the place. */
  baseOf({layer, path: there}: Place, path: BytePath): BytePath {
    if (there === path) return layer.root;
    let [alias, origin] = [path, there];
    while (alias !== '' && origin !== '' && nameOf(alias) === nameOf(origin))
      [alias, origin] = [parentOf(alias), parentOf(origin)];
    const key = [layer.root, origin, alias].join('\0');
    const base = this.#bases.get(key) ?? this.#make({layer, path: origin}, alias);
    this.#bases.set(key, base);
    return base;
  }

  delete(): void {
    deleteTree(this.#directory);
  }

  #make(origin: Place, alias: BytePath): BytePath {
    const base = joinBytes(bytePath(this.#directory), String(this.#bases.size));
    const link = alias === '' ? base : joinBytes(base, alias);
    mkdirSync(asBytes(parentOf(link)), {recursive: true});
    symlinkSync(asBytes(located(origin)), asBytes(link));
    return base;
  }
}
