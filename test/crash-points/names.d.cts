export const CHANGING: readonly string[];
export function nameOfPath(path: string): string;
export function nameOfProgram(file: string, args: readonly string[]): string;
