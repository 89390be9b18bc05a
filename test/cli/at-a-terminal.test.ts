/** What is different when a person sits at a terminal: nothing is written over the screen, and no work is lost. */
import {describe, expect, test} from '@jest/globals';
import {PROMPT} from '../terminal.ts';
import {Cli} from './chrootctl.ts';

describe('an archive', () => {
  test.each(['-', '/dev/tty', '/dev/stdout'])('is not written to a terminal: %s', async (file) => {
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    const terminal = cli.terminal();
    await terminal.shows(PROMPT);
    // Before anything is looked at, be there such a version or not.
    const reference = file === '-' ? 'nothing' : 'base';
    terminal.type(`clear; chrootctl export ${reference} ${file}; echo "ended $?"`, 'Enter');
    await terminal.shows(/^ended \d+$/m);
    expect(terminal.screen()).toMatch(
      /^chrootctl: .+ is a terminal, and an archive is no text\n {2}give the name of a FILE, .+\nended 2$/m,
    );
    terminal.type(
      'clear; chrootctl export base - | wc -c; chrootctl export base - > base.tar; echo $?',
      'Enter',
    );
    await terminal.shows(/^\d{6,}\n0$/m);
  });
});
