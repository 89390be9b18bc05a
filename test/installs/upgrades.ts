/** Upgrades of a whole root to the next release. */

export interface Upgrade {
  from: string;
  to: string;
  drivers: readonly string[];
}

export const UPGRADES: readonly Upgrade[] = [
  {from: 'bookworm', to: 'trixie', drivers: ['overlay', 'btrfs', 'directory']},
  // A root of bullseye has a /bin and a /lib of its own, and usrmerge moves them.
  {from: 'bullseye', to: 'bookworm', drivers: ['overlay', 'btrfs', 'directory']},
];

/** Lines for sh: the root's own sources, with the other suite. */
export function upgradeScript(from: string, to: string): string {
  return [
    `find /etc/apt/sources.list* -type f -exec sed -i 's/\\<${from}/${to}/g' {} +`,
    'apt-get update --error-on=any',
    'apt-get dist-upgrade -y -o Dpkg::Options::=--force-confnew',
    'apt-get check',
  ].join('\n');
}
