/**
 * How something is mounted, as data: one mount(8) call, `mount -i -t TYPE -o OPTIONS SOURCE TARGET` in
 * `workingDirectory`. Whoever mounts it decides where, and in which mount namespace. Without a helper program (-i): that
 * of ZFS insists on an empty directory, and takes longer than the mount.
 */
export interface MountPlan {
  type: string;
  source: string;
  /** Escaped as mount(8) and the file system want them. */
  options: readonly string[];
  /** Relative paths in the options start here. */
  workingDirectory: string;
  /**
   * The directories whose union the root is, top first: a path can be looked up in them before anything is mounted.
   * None where there is nothing to see until then.
   */
  layers: readonly string[];
  /** What shows the same for now, and costs less to mount: for a look before the root itself is mounted. */
  look?: MountPlan;
}
