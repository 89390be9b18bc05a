import Ps from '../ps.ts';

export default class SessionList extends Ps {
  static override summary = 'Show the sessions, as ps does.';
  static override examples = ['<%= config.bin %> session list --json'];
}
