/**
 * References, as users type them: `IMAGE`, `IMAGE:TAG`, `IMAGE:RANGE`, `IMAGE@VERSION`. Parsing is where names enter
 * the program: what has passed here is safe in a path and on a command line.
 */
import {ChrootctlError} from './errors.ts';
import {isId} from './ids.ts';

export interface Reference {
  image: string;
  selector: Selector;
}

export type Selector =
  | {kind: 'latest'}
  /** A tag, or a semver range over the tags: which one, only the tags can tell. */
  | {kind: 'tag'; text: string}
  /** A version id or a unique beginning of one. */
  | {kind: 'version'; prefix: string};

/** The grammar of OCI repository names (distribution specification, "Pulling manifests"), lower case throughout. */
const PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST = /^[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]{1,5})?$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** The longest image name; with its percent signs it must still be a file name. */
const NAME_LENGTH = 200;

/** @throws ChrootctlError USAGE */
export function parseReference(text: string): Reference {
  const at = text.indexOf('@');
  if (at >= 0) {
    const prefix = text.slice(at + 1);
    if (!isId(prefix)) throw badReference(text, `'${prefix}' is not a version id`);
    return {image: checkImageName(text.slice(0, at)), selector: {kind: 'version', prefix}};
  }
  // A colon before the last slash belongs to a registry's port.
  const colon = text.indexOf(':', text.lastIndexOf('/') + 1);
  if (colon < 0) return {image: checkImageName(text), selector: {kind: 'latest'}};
  const selector = text.slice(colon + 1);
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/.test(selector)) {
    throw badReference(text, `'${selector}' is neither a tag nor a version range`);
  }
  return {image: checkImageName(text.slice(0, colon)), selector: {kind: 'tag', text: selector}};
}

export function formatReference({image, selector}: Reference): string {
  if (selector.kind === 'latest') return image;
  return selector.kind === 'tag' ? `${image}:${selector.text}` : `${image}@${selector.prefix}`;
}

/** `IMAGE[:TAG]`, where something new is to be named: a range or a version will not do. @throws ChrootctlError USAGE */
export function parseTarget(text: string): {image: string; tag: string | null} {
  const {image, selector} = parseReference(text);
  if (selector.kind === 'latest') return {image, tag: null};
  if (selector.kind === 'version')
    throw badReference(text, 'a version gets its id by itself: give IMAGE or IMAGE:TAG');
  return {image, tag: checkTag(selector.text)};
}

/** @throws ChrootctlError USAGE */
export function checkImageName(name: string): string {
  const parts = name.split('/');
  const [first = ''] = parts;
  const hasHost = parts.length > 1 && (first.includes('.') || first.includes(':') || first === 'localhost');
  const valid =
    (hasHost ? HOST.test(first) : PART.test(first)) && parts.slice(1).every((part) => PART.test(part));
  if (!valid || name.length > NAME_LENGTH) {
    throw new ChrootctlError('USAGE', `'${name}' is not an image name`, {
      hint: 'use lower-case letters, digits, and . _ - between them, as in debian-build or team/debian',
    });
  }
  return name;
}

/** @throws ChrootctlError USAGE */
export function checkTag(tag: string): string {
  if (!TAG.test(tag)) {
    throw new ChrootctlError('USAGE', `'${tag}' is not a tag`, {
      hint: 'use up to 128 letters, digits, _ . and -, the first one a letter, a digit or _',
    });
  }
  return tag;
}

function badReference(text: string, why: string): ChrootctlError {
  return new ChrootctlError('USAGE', `'${text}' is not a reference: ${why}`, {
    hint: 'write IMAGE, IMAGE:TAG, IMAGE:RANGE (debian:^1.2) or IMAGE@VERSION',
  });
}
