import {expect, test} from '@jest/globals';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {certificatesHint, missingCertificates} from '../../src/sandbox/certificates.ts';
import {temporaryDirectory} from '../temporary.ts';

const HTTPS = 'deb https://deb.example.org/debian bookworm main\n';
const LIST = 'etc/apt/sources.list';
const MORE = 'etc/apt/sources.list.d/more.sources';
const BUNDLE = 'etc/ssl/certs/ca-certificates.crt';

function layer(files: Record<string, string>): string {
  const directory = temporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), {recursive: true});
    writeFileSync(join(directory, path), text);
  }
  return directory;
}

test.each([
  ['https sources', [{[LIST]: HTTPS}], true],
  [
    'others in the directory, in a layer below',
    [{}, {[MORE]: 'Types: deb\nURIs: https://x.example/\n'}],
    true,
  ],
  ['certificates, in a layer below', [{[LIST]: HTTPS}, {[BUNDLE]: 'pem'}], false],
  ['http', [{[LIST]: HTTPS.replace('https', 'http')}], false],
  ['https that is commented out', [{[LIST]: `# ${HTTPS}`}], false],
  ['no apt', [{}], false],
] as const)('a root with %s', (_, layers, isTold) => {
  const directories = layers.map((files) => layer(files));
  expect(missingCertificates(directories)?.includes('ca-certificates')).toBe(isTold ? true : undefined);
  expect(certificatesHint(100, directories) === undefined).toBe(!isTold);
  expect(certificatesHint(1, directories)).toBeUndefined();
});

test('links to the host are not followed', () => {
  const directory = layer({'etc/apt/x': ''});
  symlinkSync(join(layer({list: HTTPS}), 'list'), join(directory, LIST));
  expect(missingCertificates([directory])).toBeUndefined();
});
