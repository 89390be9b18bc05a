/** Extended header records: `LENGTH KEYWORD=VALUE\n` (POSIX.1-2017 pax, "pax Extended Header"). */

export type PaxRecord = readonly [keyword: string, value: string];

/** The records in their order, bytes as latin1; undefined when a record lies about its length or is cut off. */
export function parsePax(body: Buffer): PaxRecord[] | undefined {
  const records: PaxRecord[] = [];
  for (let at = 0; at < body.length;) {
    const length = /^[1-9][0-9]{0,8}(?= )/.exec(body.toString('latin1', at, at + 10))?.[0];
    if (length === undefined) return undefined;
    const start = at + length.length + 1;
    const end = at + Number(length);
    if (end > body.length || end <= start || body[end - 1] !== 0x0a) return undefined;
    const record = body.toString('latin1', start, end - 1);
    const equals = record.indexOf('=');
    if (equals < 1) return undefined;
    records.push([record.slice(0, equals), record.slice(equals + 1)]);
    at = end;
  }
  return records;
}
