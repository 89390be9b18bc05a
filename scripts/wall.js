/**
 * What shuts commands in: bubblewrap, or the supervisor by itself (docs/without-bubblewrap.md), which CHROOTCTL_WALL=own asks
 * of the build. A directory in native/wall.
 */
export function wall() {
  const chosen = process.env['CHROOTCTL_WALL'] ?? 'bubblewrap';
  if (!['bubblewrap', 'own'].includes(chosen)) throw new Error(`CHROOTCTL_WALL: there is no ${chosen}`);
  return chosen;
}
