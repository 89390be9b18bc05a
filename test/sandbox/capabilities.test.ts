import {expect, test} from '@jest/globals';
import {
  ALL_CAPABILITIES,
  chosenCapabilities,
  DEFAULT_CAPABILITIES,
  parseCapability,
} from '../../src/sandbox/capabilities.ts';

test.each(['net_raw', 'NET_RAW', 'cap_net_raw', 'Cap_Net_Raw'])('%s is understood', (name) => {
  expect(parseCapability(name)).toBe('NET_RAW');
});

test.each(['', 'CAP_', 'NET RAW', 'everything', 'CAP_CAP_CHOWN'])('%j is refused', (name) => {
  expect(() => parseCapability(name)).toThrow(expect.objectContaining({code: 'USAGE'}));
});

test('the choice', () => {
  expect(chosenCapabilities([], [])).toEqual(
    ALL_CAPABILITIES.filter((name) => DEFAULT_CAPABILITIES.includes(name)),
  );
  expect(chosenCapabilities(['ALL'], [])).toEqual(ALL_CAPABILITIES);
  expect(chosenCapabilities([], ['all'])).toEqual([]);
  expect(chosenCapabilities(['chown'], ['ALL'])).toEqual(['CHOWN']);
  expect(chosenCapabilities(['ALL'], ['SYS_ADMIN'])).not.toContain('SYS_ADMIN');
  expect(chosenCapabilities(['SYS_ADMIN'], ['SYS_ADMIN'])).not.toContain('SYS_ADMIN');
});
