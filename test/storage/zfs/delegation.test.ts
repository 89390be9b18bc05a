import {expect, test} from '@jest/globals';
import {grantedTo} from '../../../src/storage/zfs/delegation.ts';

const LISTING = [
  '---- Permissions on tank/chrootctl -----------------------------------',
  'Permission sets:',
  '\t@all @some,promote',
  '\t@some clone,create',
  '\t@loop @loop,hold',
  'Local permissions:',
  '\tuser build quota',
  'Descendent permissions:',
  '\tgroup builders snapshot',
  'Local+Descendent permissions:',
  '\tuser build @all,mount',
  '\tuser other destroy',
  '\teveryone userprop',
  '---- Permissions on tank ---------------------------------------------',
  'Local+Descendent permissions:',
  '\tuser build sync,@loop',
  '',
].join('\n');

test('the permissions of a user are his own, his groups’ and everyone’s, sets taken apart', () => {
  expect([...grantedTo(LISTING, {user: 'build', groups: ['builders']})].sort()).toEqual([
    '@loop',
    'clone',
    'create',
    'hold',
    'mount',
    'promote',
    'snapshot',
    'sync',
    'userprop',
  ]);
  expect([...grantedTo(LISTING, {user: 'nobody', groups: []})]).toEqual(['userprop']);
});
