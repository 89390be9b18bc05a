/**
 * Classic BPF as seccomp(2) runs it (Documentation/userspace-api/seccomp_filter.rst): a program that looks at struct
 * seccomp_data and returns an answer. It is made anew for each run by code that runs once, and so is kept as plain
 * words: an instruction is two of them, {u16 code; u8 jt; u8 jf} and its operand. All processors here are
 * little-endian.
 */

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER_EQUAL = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const JUMP_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

/** How many instructions a conditional jump leaves out at most. */
const FAR = 255;

/** Instructions that end with a return. */
export type Actions = readonly number[];

export const PASS: Actions = [RETURN, 0x7fff0000]; // SECCOMP_RET_ALLOW

/** SECCOMP_RET_ERRNO with one of errno(3). */
export const REFUSE = {
  EPERM: [RETURN, 0x00050000 | 1],
  ENOSYS: [RETURN, 0x00050000 | 38],
  EAFNOSUPPORT: [RETURN, 0x00050000 | 97],
} satisfies Record<string, Actions>;

export type Answer = keyof typeof REFUSE;

/**
 * Refuses a call one of whose arguments is one of `values`. Only its low word is looked at: all that is examined is an
 * int in the kernel, which does not see the high one either, and a comparison of both would let any value pass.
 */
export function refuseValues(argument: number, values: readonly number[], answer: Answer): Actions {
  const program = [LOAD_WORD, argumentAt(argument)];
  for (const value of values) {
    // To the next instruction but for the last, which goes to PASS; or past those that are left, to the refusal.
    const left = values.length - 1 - (program.length - 2) / 2;
    program.push(JUMP_EQUAL | (left << 16) | (left === 0 ? 1 << 24 : 0), value);
  }
  return [...program, ...REFUSE[answer], ...PASS];
}

/** Refuses a call one of whose arguments has any of these bits, but for one value. */
export function refuseBits(argument: number, bits: number, answer: Answer, but = 0): Actions {
  return [
    ...[LOAD_WORD, argumentAt(argument)],
    ...[JUMP_EQUAL | (2 << 16), but],
    ...[JUMP_ANY_BIT | (1 << 24), bits],
    ...REFUSE[answer],
    ...PASS,
  ];
}

/**
 * Of calls that one argument tells the kind of: refuses one kind always, another unless a second argument is one of
 * `values`, and none else.
 */
export function refuseAllBut(
  {mode, kind, always, examined}: {mode: number; kind: number; always: number; examined: number},
  argument: number,
  values: readonly number[],
  answer: Answer,
): Actions {
  // After the load and the comparisons of the values: the refusal, then PASS.
  const toRefusal = values.length + 2;
  return [
    ...[LOAD_WORD, argumentAt(mode)],
    ...[AND, kind],
    ...[JUMP_EQUAL | (toRefusal << 16), always],
    ...[JUMP_EQUAL | (toRefusal << 24), examined],
    ...[LOAD_WORD, argumentAt(argument)],
    ...values.flatMap((value, index) => [JUMP_EQUAL | ((values.length - index) << 16), value]),
    ...REFUSE[answer],
    ...PASS,
  ];
}

function argumentAt(index: number): number {
  return 16 + 8 * index;
}

/** What is done with the numbers from this one on, up to that of the next span. */
export interface Span {
  from: number;
  actions: Actions;
}

/** A program for calls of one kind: those with this AUDIT_ARCH_* (linux/audit.h). */
export interface Program {
  audit: number;
  /** By number, the first from 0. */
  spans: readonly Span[];
}

/** An array of struct sock_filter that goes to the program of a call, and there to the span of its number. */
export function assemble(programs: readonly Program[], otherwise: Actions): Buffer {
  const words = [LOAD_WORD, 4];
  for (const {audit, spans} of programs) {
    words.push(JUMP_EQUAL | (1 << 16), audit);
    const skip = words.push(JUMP, 0) - 1;
    words.push(LOAD_WORD, 0);
    choose(words, spans, 0, spans.length);
    words[skip] = (words.length - skip - 1) / 2;
  }
  words.push(...otherwise);
  return Buffer.from(new Uint32Array(words).buffer);
}

/**
 * Appends what finds the span of the number in the accumulator among those from `first` to before `end`, by halving: a
 * call passes after seven or eight comparisons of a hundred. (A kernel since 5.11 goes through it once for each number,
 * and from then on knows which pass whatever their arguments are.)
 */
function choose(words: number[], spans: readonly Span[], first: number, end: number): void {
  const middle = (first + end) >> 1;
  const span = spans[middle];
  if (span === undefined) return;
  if (middle === first) {
    words.push(...span.actions);
    return;
  }
  const jump = words.push(JUMP_GREATER_EQUAL, span.from) - 2;
  choose(words, spans, first, middle);
  const below = (words.length - jump) / 2 - 1;
  if (below > FAR) throw new RangeError(`a jump over ${below} instructions`);
  words[jump] = JUMP_GREATER_EQUAL | (below << 16);
  choose(words, spans, middle, end);
}
