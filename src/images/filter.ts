/** `images --filter KEY=VALUE`: every filter must hold. */
import semver from 'semver';
import {ChrootctlError} from '../errors.ts';
import type {ListedVersion} from './list.ts';

type Test = (version: ListedVersion) => boolean;

/** @throws ChrootctlError USAGE */
export function filterVersions(
  versions: readonly ListedVersion[],
  filters: readonly string[],
): ListedVersion[] {
  const tests = filters.map(parseFilter);
  return versions.filter((version) => tests.every((test) => test(version)));
}

function parseFilter(text: string): Test {
  const at = text.indexOf('=');
  const key = text.slice(0, at);
  const value = text.slice(at + 1);
  if (at > 0) {
    switch (key) {
      case 'label':
        return byLabel(value);
      case 'tag':
        return ({tags}) => tags.some((tag) => tag === value || semver.satisfies(tag, value));
      case 'tagged':
        if (value === 'true' || value === 'false') return ({tags}) => tags.length > 0 === (value === 'true');
        break;
      case 'message':
        return ({message}) => message.includes(value);
    }
  }
  throw new ChrootctlError('USAGE', `'${text}' is not a filter`, {
    hint: 'write label=K, label=K=V, tag=TAG, tag=RANGE, tagged=true, tagged=false or message=TEXT',
  });
}

function byLabel(text: string): Test {
  const [name = '', ...rest] = text.split('=');
  if (rest.length === 0) return ({labels}) => Object.hasOwn(labels, name);
  return ({labels}) => Object.hasOwn(labels, name) && labels[name] === rest.join('=');
}
