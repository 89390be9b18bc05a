/** umoci knows images and trees of files, and runs nothing: it has a part in what is moved and committed. */
import {appendFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Command} from '../case.ts';
import {call} from '../processes.ts';
import {unpackingWords} from '../programs.ts';
import type {Ground} from '../section.ts';
import {installPackages} from './packages.ts';

/** Of Debian. */
export const UMOCI_PACKAGES = ['umoci'];

export interface Umoci {
  /** A tree of the image, in which something may be changed. */
  tree: string;
  unpack: (place: string) => Command;
  /** A commit of what was changed in `tree`. */
  repack: (tag: string) => Command;
}

/** An image of the root in `tar`. @throws Error when it cannot be made */
export function readyUmoci({directory}: Ground, name: string, tar: string): Umoci {
  installPackages(UMOCI_PACKAGES);
  const layout = join(directory, `umoci-${name}`);
  const bundle = join(directory, `umoci-${name}-bundle`);
  const tree = join(bundle, 'rootfs');
  const umoci = (...words: string[]): Command => ({words: ['umoci', ...words]});
  call(umoci('init', '--layout', layout));
  call(umoci('new', '--image', `${layout}:empty`));
  call(umoci('unpack', '--image', `${layout}:empty`, bundle));
  call({words: unpackingWords(tar, tree)});
  call(umoci('repack', '--refresh-bundle', '--image', `${layout}:root`, bundle));
  return {
    tree,
    unpack: (place) => umoci('unpack', '--image', `${layout}:root`, place),
    repack: (tag) => umoci('repack', '--image', `${layout}:${tag}`, bundle),
  };
}

/** A small change to a tree. */
export function changeTree({tree}: Umoci, text: string): void {
  appendFileSync(join(tree, 'changed'), text);
}
