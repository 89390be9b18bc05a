/** Tars made by hand, header by header, so that any field can lie. */
export interface MadeHeader {
  name: string;
  type?: string;
  linkName?: string;
  mode?: string;
  /** Contents; the size field says what is true unless `size` is given. */
  body?: Buffer | string;
  size?: number | string | Buffer;
  major?: number;
  minor?: number;
  prefix?: string;
  magic?: 'ustar' | 'gnu' | 'v7';
  /** Changes the finished block; the checksum is made after it. */
  patch?: (block: Buffer) => void;
  checksum?: number;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

export function entry(header: MadeHeader): Buffer {
  const body = Buffer.from(header.body ?? '');
  const block = Buffer.alloc(512);
  block.write(header.name, 0, 100, 'latin1');
  block.write(header.mode ?? (header.type === '5' ? '0000755' : '0000644'), 100, 'latin1');
  block.write('0000000\0' + '0000000\0', 108, 'latin1');
  const size = header.size ?? body.length;
  if (Buffer.isBuffer(size)) size.copy(block, 124);
  else block.write(typeof size === 'number' ? octal(size, 11) : size, 124, 12, 'latin1');
  block.write('14000000000', 136, 'latin1');
  block.write(header.type ?? '0', 156, 'latin1');
  block.write(header.linkName ?? '', 157, 100, 'latin1');
  if (header.magic === 'gnu') block.write('ustar  \0', 257, 'latin1');
  else if (header.magic !== 'v7') block.write('ustar\x0000', 257, 'latin1');
  if (header.major !== undefined || header.minor !== undefined) {
    block.write(`${octal(header.major ?? 0, 7)}\0${octal(header.minor ?? 0, 7)}\0`, 329, 'latin1');
  }
  block.write(header.prefix ?? '', 345, 155, 'latin1');
  header.patch?.(block);
  block.fill(' ', 148, 156);
  const sum = header.checksum ?? block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return Buffer.concat([block, padded(body)]);
}

function padded(body: Buffer): Buffer {
  return Buffer.concat([body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

/** Extended header records, each with its right length. */
export function paxBody(records: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    records.map(([keyword, value]) => {
      const rest = Buffer.from(` ${keyword}=${value}\n`, 'latin1');
      let length = rest.length + 1;
      while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
      return Buffer.concat([Buffer.from(String(length)), rest]);
    }),
  );
}

export function pax(records: readonly (readonly [string, string])[], type = 'x'): Buffer {
  return entry({name: 'PaxHeaders/x', type, body: paxBody(records)});
}

export const END = Buffer.alloc(1024);

export function archive(...parts: Buffer[]): Buffer {
  return Buffer.concat([...parts, END]);
}

export const directory = (name: string): Buffer => entry({name, type: '5'});
export const file = (name: string, body = 'contents\n'): Buffer => entry({name, body});
export const symlink = (name: string, linkName: string): Buffer => entry({name, type: '2', linkName});
export const link = (name: string, linkName: string): Buffer => entry({name, type: '1', linkName});
