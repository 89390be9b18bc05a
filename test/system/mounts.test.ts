import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {mountsOf, parseMountinfo} from '../../src/system/mounts.ts';

describe('mountinfo', () => {
  test('the example of proc_pid_mountinfo(5)', () => {
    const line =
      '36 35 98:0 /mnt1 /mnt/par\\040ent\\134 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n';
    expect(parseMountinfo(line)).toEqual([
      {
        id: 36,
        device: '98:0',
        root: '/mnt1',
        mountPoint: '/mnt/par ent\\',
        type: 'ext3',
        source: '/dev/root',
        options: ['rw', 'noatime', 'rw', 'errors=continue'],
        shared: true,
      },
    ]);
  });

  test('paths come out as they went in, whatever is in them', () => {
    const escape = (path: string): string =>
      path.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
    fc.assert(
      fc.property(fc.string({unit: 'grapheme'}), (name) => {
        const path = `/${name.replaceAll('\0', '')}`;
        const [mount] = parseMountinfo(`1 2 0:1 / ${escape(path)} rw - tmpfs tmpfs rw`);
        expect(mount?.mountPoint).toBe(path);
        expect(mount?.shared).toBe(false);
      }),
    );
  });

  test('ours has a root', () => {
    expect(mountsOf().some(({mountPoint}) => mountPoint === '/')).toBe(true);
  });
});
