/** Waits until `condition` holds, at most ten seconds; says whether it came to hold. */
export async function eventually(condition: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 500; tries++) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return condition();
}
