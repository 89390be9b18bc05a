/** The version of this program, put in by the build. */
declare const CHROOTCTL_VERSION: string | undefined;

export const VERSION = typeof CHROOTCTL_VERSION === 'string' ? CHROOTCTL_VERSION : 'development';
