/** Ways to be root with less than root is used to, as in containers. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';

/** Without these capabilities (names of setpriv(1)), now and in whatever is started. */
export function without(...names: readonly string[]): string[] {
  return ['setpriv', `--bounding-set=${names.map((name) => `-${name}`).join(',')}`, '--inh-caps=-all'];
}

/** Root of a user namespace in which there is nobody else. */
export const IN_USER_NAMESPACE = ['unshare', '--user', '--map-root-user', '--mount'];

/** In namespaces of its own, with everything allowed. */
export const IN_NAMESPACES = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--ipc', '--uts'];

/** Where a shell script has changed the mounts, out of everybody's sight. */
export function after(script: string): string[] {
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', `${script} && exec "$@"`, 'sh'];
}

/** By Node's names of architectures. */
const NUMBERS: Partial<Record<string, Record<'pivot_root' | 'unshare' | 'mount' | 'clone', number>>> = {
  x64: {pivot_root: 155, unshare: 272, mount: 165, clone: 56},
  arm64: {pivot_root: 41, unshare: 97, mount: 40, clone: 220},
};

/**
 * Behind a filter that refuses one system call (EPERM), with all capabilities; with unshare also the clone that makes
 * namespaces, as docker's does. `directory` takes a file of its own.
 */
export function withoutCall(name: 'pivot_root' | 'unshare' | 'mount', directory: string): string[] {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) throw new Error(`no numbers of system calls on ${process.arch}`);
  const program = join(directory, `${name}.bpf`);
  const alone = [LOAD_NUMBER, jump(numbers[name], {ifFalse: 1})];
  const withClone = [
    LOAD_NUMBER,
    jump(numbers.unshare, {ifTrue: 4}),
    jump(numbers.clone, {ifFalse: 4}),
    LOAD_FLAGS,
    KEEP_NAMESPACES,
    jump(0, {ifTrue: 1}),
  ];
  const filter = [...(name === 'unshare' ? withClone : alone), RETURN_EPERM, RETURN_ALLOW];
  writeFileSync(program, Buffer.concat(filter));
  const bwrap = ['--dev-bind', '/', '/', '--cap-add', 'ALL', '--seccomp', '9', '--', '"$@"'].join(' ');
  return ['sh', '-c', `exec bwrap ${bwrap} 9<'${program}'`, 'sh'];
}

/** Instructions of a filter (linux/filter.h): code, jumps if true and if false, operand. */
function instruction(code: number, operand: number, {ifTrue = 0, ifFalse = 0} = {}): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(ifTrue, 2);
  bytes.writeUInt8(ifFalse, 3);
  bytes.writeUInt32LE(operand, 4);
  return bytes;
}

const LOAD_NUMBER = instruction(0x20, 0);
/** The lower half of the first argument. */
const LOAD_FLAGS = instruction(0x20, 16);
const KEEP_NAMESPACES = instruction(0x54, 0x7e020000);
const jump = (number: number, by: {ifTrue?: number; ifFalse?: number}): Buffer =>
  instruction(0x15, number, by);
const RETURN_EPERM = instruction(0x06, 0x00050001);
const RETURN_ALLOW = instruction(0x06, 0x7fff0000);
