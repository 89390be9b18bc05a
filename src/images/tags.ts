/** Moving and dropping tags by hand. Every move is in the history, and so can be undone. */
import {ChrootctlError} from '../errors.ts';
import {isId} from '../ids.ts';
import {checkTag, parseReference, type Reference} from '../reference.ts';
import {currentUser} from '../session/publish.ts';
import {readReference, resolveReference} from '../store/resolve.ts';
import {telling, type Done} from '../store/commit-point.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {Unconfirmed} from '../system/files.ts';

export interface Moved {
  image: string;
  tag: string;
  from: string | null;
  to: string | null;
}

/** Points a tag of the same image at a version. @throws ChrootctlError NOT_FOUND, USAGE */
export async function tagVersion(store: Store, reference: string, tag: string): Promise<Moved> {
  const parsed = readReference(store, reference);
  return moveTag(store, parsed.image, checkTag(tag), 'tag', () => resolveReference(store, parsed).id);
}

/** @param reference `IMAGE:TAG`. @throws ChrootctlError NOT_FOUND, USAGE */
export async function untagVersion(store: Store, reference: string): Promise<Moved> {
  const {image, selector} = parseReference(reference);
  if (selector.kind !== 'tag') {
    throw new ChrootctlError('USAGE', `'${reference}' names no tag`, {
      hint: `write chrootctl untag ${image}:TAG`,
    });
  }
  const tag = checkTag(selector.text);
  return moveTag(store, image, tag, 'untag', () => {
    if (!Object.hasOwn(store.image(image).refs().tags, tag)) {
      throw new ChrootctlError('NOT_FOUND', `image ${image} has no tag '${tag}'`, {
        hint: `chrootctl images ${image} shows its tags`,
      });
    }
    return null;
  });
}

/**
 * Moves `latest` back to where it was before its last move, or to a given version. A rollback is a move like any
 * other, so a second one without a version takes the first one back.
 * @param to a reference, or only what follows the image's name: a tag, a range, a version id
 * @throws ChrootctlError NOT_FOUND when there is no earlier position, or its version was removed
 */
export async function rollback(store: Store, imageName: string, to?: string): Promise<Moved> {
  const {image, selector} = parseReference(imageName);
  if (selector.kind !== 'latest') {
    throw new ChrootctlError('USAGE', `'${imageName}' is more than an image's name`, {
      hint: `write chrootctl rollback ${image} ${imageName}`,
    });
  }
  const known = store.image(image);
  return moveTag(store, image, 'latest', 'rollback', () => {
    if (to !== undefined) return resolveReference(store, within(store, image, to)).id;
    const previous = known.history().findLast((entry) => entry.tag === 'latest')?.from ?? null;
    if (previous === null) {
      // Says that the image does not exist, if so.
      resolveReference(store, {image, selector: {kind: 'latest'}});
      throw new ChrootctlError('NOT_FOUND', `${image}:latest has no earlier position`, {
        hint: `chrootctl history ${image} shows where it has been`,
      });
    }
    return resolveReference(store, {image, selector: {kind: 'version', prefix: previous}}).id;
  });
}

/** `debian:1.2`, `1.2` and a version id all name a version of `debian`. */
function within(store: Store, image: string, text: string): Reference {
  if ([':', '@'].some((separator) => text.startsWith(image + separator))) return parseReference(text);
  const isVersion =
    isId(text) &&
    store
      .image(image)
      .versionIds()
      .some((id) => id.startsWith(text));
  return parseReference(`${image}${isVersion ? '@' : ':'}${text}`);
}

async function moveTag(
  store: Store,
  image: string,
  tag: string,
  action: 'tag' | 'untag' | 'rollback',
  target: () => string | null,
): Promise<Moved> {
  const known = store.image(image);
  return telling((tell) =>
    known.change(async (change) => {
      const moved = {image, tag, from: known.refs().tags[tag] ?? null, to: target()};
      const move = async (): Promise<void> => {
        try {
          await change.moveTags({[tag]: moved.to}, {action, by: currentUser(), message: ''});
        } catch (error) {
          if (error instanceof Unconfirmed) tell(doneBy(moved));
          throw error;
        }
        tell(doneBy(moved));
      };
      // Dropping and moving tags is how versions become removable.
      await withReserve(store.layout, move);
      return moved;
    }),
  );
}

function doneBy({image, tag, from, to}: Moved): Done {
  return {
    words: to === null ? `${image}:${tag} is dropped (it was ${from ?? ''})` : `${image}:${tag} is at ${to}`,
    rest: `chrootctl history ${image} shows it`,
    facts: {image, tag, from, to, version: to},
  };
}
