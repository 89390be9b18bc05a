/** Storage drivers of which the power is cut. */
export const DRIVERS = ['zfs', 'overlay'] as const;
export type Driver = (typeof DRIVERS)[number];
