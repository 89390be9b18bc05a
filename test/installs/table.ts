/** What people install in a root, and how one sees that it works there. */

export interface Check {
  /** A line for sh -e, in a clone of the version with the packages. */
  line: string;
  /** What it prints, or a part of it. */
  prints: string | RegExp;
  /** Who runs it. Default: root. */
  user?: string;
  /** Whether it is given the host's network, and in KNOWN_NAME a name that can be resolved. */
  asksNameServer?: boolean;
}

export interface Install {
  packages: string;
  /** Whether it is among those that every run of the suite tries: they are quick, and each does something of its own. */
  everywhere: boolean;
  checks: readonly Check[];
}

/** Reads a page from localhost without a client. */
const PAGE = `bash -c 'exec 3<>/dev/tcp/localhost/80; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; head -1 <&3'`;

const DATABASE = `pg_ctlcluster "$(pg_lsclusters -h | cut -d" " -f1)" main start`;
/** io_uring is refused: it has to go on without. */
const MARIADB = [
  'install -d -o mysql /run/mysqld',
  'mariadbd --user=mysql --skip-networking 2>/dev/null &',
  'for try in $(seq 300); do mariadb-admin ping >/dev/null 2>&1 && break; sleep 0.1; done',
  'mariadb -Ne "select 40 + 2"',
].join('\n');
/** sshd is in the background before it listens. */
const SSH = [
  'mkdir -p /run/sshd; mkdir -pm 700 ~/.ssh',
  'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id',
  'cp ~/.ssh/id.pub ~/.ssh/authorized_keys',
  '$(command -v sshd)',
  'ssh -tt -i ~/.ssh/id -o StrictHostKeyChecking=no -o ConnectionAttempts=60 localhost "id -un; tty" 2>/dev/null',
].join('\n');

/** The name servers' file has become a link to a place below /run, which is empty in a new clone. */
const RESOLVES = ['root', 'nobody'].map((user) => ({
  line: 'test -L /etc/resolv.conf; cat /etc/resolv.conf; getent hosts "$KNOWN_NAME" >/dev/null; echo found',
  prints: /^nameserver [^]*found\n$/m,
  user,
  asksNameServer: true,
}));
const BUS =
  'dbus-run-session -- dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames';
const BROWSER = 'cd /tmp; HOME=/tmp chromium --headless --no-sandbox --dump-dom about:blank 2>/dev/null';

export const INSTALLS: readonly Install[] = [
  {
    packages: 'nginx',
    everywhere: true,
    checks: [
      {line: 'nginx -t 2>&1', prints: 'test is successful'},
      {line: `nginx; ${PAGE}; nginx -s quit 2>/dev/null`, prints: ' 200 OK'},
      {line: 'nginx -v 2>&1', prints: 'nginx version', user: 'nobody'},
    ],
  },
  {
    packages: 'openssh-server openssh-client',
    everywhere: true,
    checks: [
      {line: 'mkdir -p /run/sshd; sshd -t; sshd -T | head -1', prints: /^(port|include)/},
      {line: SSH, prints: /root\r?\n\/dev\/pts\/\d/},
    ],
  },
  {
    packages: 'postgresql',
    everywhere: true,
    checks: [
      {line: `${DATABASE}; su postgres -c 'cd; psql -Atc "select 40 + 2"'`, prints: '42\n'},
      {line: `${DATABASE}; cd; psql -Atc "select 40 + 2"`, prints: '42\n', user: 'postgres'},
    ],
  },
  {packages: 'mariadb-server', everywhere: true, checks: [{line: MARIADB, prints: '42\n'}]},
  {
    packages: 'default-jre-headless',
    everywhere: false,
    checks: ['root', 'nobody'].map((user) => ({
      line: 'java -version 2>&1',
      prints: 'Runtime Environment',
      user,
    })),
  },
  {
    packages: 'docker.io',
    everywhere: true,
    checks: [
      {
        line: 'dockerd --version; containerd --version; runc --version',
        prints: /Docker version [^]*runc version/,
      },
      {line: 'getent group docker', prints: 'docker:x:'},
    ],
  },
  {
    packages: 'systemd systemd-sysv',
    everywhere: true,
    checks: [
      {line: 'systemctl --version', prints: /^systemd \d+/},
      {
        line: 'systemd-sysusers; systemd-tmpfiles --create; systemctl enable systemd-networkd 2>&1',
        prints: 'Created symlink',
      },
      {line: 'systemctl is-system-running || true', prints: 'offline\n'},
    ],
  },
  {
    packages: 'systemd-resolved',
    everywhere: true,
    checks: RESOLVES,
  },
  {
    packages: 'resolvconf',
    everywhere: true,
    checks: RESOLVES,
  },
  {
    packages: 'dbus',
    everywhere: true,
    checks: [
      {line: 'dbus-daemon --version', prints: 'Message Bus Daemon'},
      {line: BUS, prints: 'string "org.freedesktop.DBus"'},
      {line: BUS, prints: 'string "org.freedesktop.DBus"', user: 'nobody'},
      {
        line: `mkdir -p /run/dbus; dbus-daemon --system --fork; ${BUS.replace('dbus-run-session -- ', '').replace('--session', '--system')}`,
        prints: 'string "org.freedesktop.DBus"',
      },
    ],
  },
  {
    packages: 'cron',
    everywhere: true,
    checks: [
      {line: 'cron -h 2>&1 || true', prints: 'usage: cron'},
      {
        line: 'echo "@reboot echo ran >/tmp/ran" | crontab -; cron; until cat /tmp/ran 2>/dev/null; do sleep 0.1; done',
        prints: 'ran\n',
      },
    ],
  },
  {
    packages: 'snapd',
    everywhere: false,
    // What asks the daemon waits for it: `snap --version` for half a minute, `snap list` for two.
    checks: [{line: 'snap help; /usr/lib/snapd/snap-confine --version', prints: /snap-confine \d/}],
  },
  {
    packages: 'chromium',
    everywhere: false,
    checks: ['root', 'nobody'].map((user) => ({
      line: BROWSER,
      prints: '<html><head></head><body></body></html>',
      user,
    })),
  },
  {
    packages: 'locales',
    everywhere: true,
    checks: [
      {
        line: 'echo "en_US.UTF-8 UTF-8" >>/etc/locale.gen; locale-gen >/dev/null; LC_ALL=en_US.UTF-8 locale charmap',
        prints: 'UTF-8\n',
      },
      {
        line: 'localedef -i de_DE -f UTF-8 de_DE.UTF-8; LC_ALL=de_DE.UTF-8 date -d 2026-05-01 +%B',
        prints: 'Mai\n',
      },
    ],
  },
  {
    packages: 'tzdata',
    everywhere: true,
    checks: [
      {line: 'TZ=Asia/Tokyo date -d @0 +%H%Z', prints: '09JST\n'},
      {
        line: 'ln -sf /usr/share/zoneinfo/Europe/Berlin /etc/localtime; dpkg-reconfigure -f noninteractive tzdata 2>&1; cat /etc/timezone',
        prints: 'Europe/Berlin\n',
      },
      {line: 'TZ=America/New_York date -d @0 +%H%Z', prints: '19EST\n', user: 'nobody'},
    ],
  },
];
