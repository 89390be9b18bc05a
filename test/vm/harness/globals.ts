/**
 * `@jest/globals` for guests, over Node's own test runner: jest itself takes most of a minute to start on an emulated
 * processor. `expect` and the titles of `each` are jest's own.
 */
import {bind} from 'jest-each';
import {after, afterEach, before, beforeEach, describe as suite, test as one} from 'node:test';

export {expect} from 'expect';
export {after as afterAll, afterEach, before as beforeAll, beforeEach};

type Work = () => void | Promise<void>;
type Register = (title: string, work: Work, timeout?: number) => void;

/** How much longer than in jest a test may take. */
const PATIENCE = 5;

/** Milliseconds; as in jest.config.js. */
const TIMEOUT = 60_000;

const withEach = <R extends Register>(register: R): R & {each: ReturnType<typeof bind>} =>
  Object.assign(register, {each: bind(register as never, false)});

export const test = Object.assign(
  withEach((title, work, timeout = TIMEOUT) => {
    void one(title, {timeout: timeout * PATIENCE}, () => work());
  }),
  {
    skip: withEach((title) => {
      void one(title, {skip: true});
    }),
  },
);

export const describe = Object.assign(
  withEach((title, work) => {
    void suite(title, () => void work());
  }),
  {
    skip: withEach((title, work) => {
      void suite(title, {skip: true}, () => void work());
    }),
  },
);

// Helpers that scripts use as well look for it here.
Object.assign(globalThis, {afterEach, afterAll: after});
