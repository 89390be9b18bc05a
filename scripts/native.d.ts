/** See native.js, which the build runs as it is. */
export const HELPERS: readonly string[];
export function wallFlags(): string[];
export const FLAGS: readonly string[];
export function sourcesOf(program: string): string[];
export function compileNative(program: string, architecture: string, target: string): string | undefined;
