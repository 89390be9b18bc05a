import {serve} from '../src/autopkgtest/serve.ts';
import {makeTestbed} from '../src/autopkgtest/testbed.ts';
import {BaseCommand} from './shared/base.ts';
import {complain, print} from './shared/output.ts';
import {referenceArg} from './shared/reference-arg.ts';
import {labels, runFlags, runOptions, storageFlags} from './shared/run-flags.ts';

export default class Autopkgtest extends BaseCommand {
  static override summary = 'Serve autopkgtest or sbuild with a testbed: a clone that is thrown away.';
  static override description =
    "autopkgtest's protocol of virtualisation servers, on standard input and output. They start it as " +
    'autopkgtest-virt-chrootctl, and pass the flags on. The flags hold for every command in the testbed; without --user that is ' +
    "root's.";
  static override usage = 'autopkgtest REFERENCE [FLAGS]';
  static override examples = [
    'autopkgtest ./hello -- chrootctl debian --memory 2G',
    'sbuild --chroot-mode=autopkgtest --autopkgtest-virt-server=chrootctl --autopkgtest-virt-server-opt=debian hello.dsc',
  ];
  static override args = {reference: referenceArg};
  static override flags = {...runFlags, ...storageFlags};

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Autopkgtest);
    const store = await this.openStore(flags);
    const remark = (line: string): void => complain(`chrootctl: ${line}\n`);
    const testbed = await makeTestbed(store, args.reference, {
      options: runOptions(flags),
      labels: labels(flags.label),
      onLeft: remark,
    });
    await serve(testbed, {
      input: process.stdin,
      answer: (line) => print(`${line}\n`),
      remark,
    });
  }
}
