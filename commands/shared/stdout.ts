let isWatched = false;

/**
 * Standard output, for answers. Asked for here rather than used directly: Node makes the stream at its first use, and
 * a `run` whose command has the output never needs one.
 */
export function stdout(): NodeJS.WriteStream {
  if (!isWatched) {
    isWatched = true;
    // `chrootctl images | head` ends the pipe early; that is no failure of ours.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      throw error;
    });
  }
  return process.stdout;
}
