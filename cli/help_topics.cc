#include "cli/help_topics.h"

namespace dfs::cli {

namespace {

constexpr const char* kPaths =
    R"(Remote paths start at '/', which may be left out: films and /films are the same, except in
the shell, where relative paths begin at the directory of cd. "." and ".." work as they do
elsewhere, and ".." stops at the root.

Names are any bytes but '/'. A name that begins with a dash follows "--". On a terminal,
names that would disturb it are shown as bash reads them, such as $'a\nb'; to a pipe they go
as they are.

Targets work as with cp: into an existing directory, or one that is written with '/' at its
end, else to that very name. Several sources need a directory. For put, "-" is stdin; for
get, stdout.

  dfsctl put video.mkv /films/       into the directory
  dfsctl put video.mkv /films/new    under that name
  dfsctl get -- -odd-name .          a name that begins with a dash)";

constexpr const char* kSettings =
    R"(Options before or after the command that hold for all commands (see dfsctl --help) are
settings. A setting comes from the first of these that has it:

  1. a flag                    --timeout 5s
  2. an environment variable   DFS_TIMEOUT=5s
  3. the configuration file    timeout = "5s" in the file of --config or $DFS_CONFIG
  4. its default

--print-config prints what holds and where it came from. A key that nobody knows is an
error, which names the nearest. A ticket must not be a flag, for all users of the machine
see those: there is DFS_TICKET, or --ticket @FILE.

  dfsctl --print-config --timeout 5s)";

constexpr const char* kExitCodes =
    R"(  0    done
  1    the operation failed
  2    wrong usage
  3    no such file or directory
  4    the cluster does not answer, or not in time
  5    denied
  6    the content is damaged
  7    too late: what was asked for is no longer kept
  8    rebuilt, and some of it is a guess
  130  interrupted

Of several failures the first counts. A script that is given to the shell ends with that of
the first command that failed. With --json an error is one object on stderr, with its status
as "exit".)";

constexpr const char* kDurability =
    R"(A put that has ended well is on stable storage: its bytes on nodes, its name on more than
half of the heads. Every block goes to all live nodes of its group. --durability says with
how few copies a put may end well:

  one      as few as the pool permits, its min_copies; the default
  quorum   more than half of the pool's replicas
  all      every replica

When so many cannot be had the put waits up to --timeout and fails. Copies that are missing
are made in the background. stat --durability asks the nodes for every copy of a file; fsck
does for all files.

  dfsctl put --durability all video.mkv /films/
  dfsctl stat --durability /films/video.mkv)";

constexpr const char* kSecurity =
    R"(Who asks is known by a ticket. login gets one and keeps it below $XDG_STATE_HOME/zdfs,
readable by you alone; it is renewed while it is used. A program is given one of its own:
token create. Passwords are asked for on the terminal, or read with --password-file; never
are they arguments.

Files have an owner, a group and a mode, as elsewhere (chmod, chown, chgrp), and may have an
access list (acl). Administrators may do all; user role makes somebody one.

cluster-key is the cluster's public key, by which it is recognised; what is said is
encrypted. Without one, insecure = true must be said.

  dfsctl login ada
  dfsctl token create --label backup --below /photos --read-only
  dfsctl audit --since 2h)";

constexpr const char* kEvents =
    R"(events shows what happens. It reads the log of the heads, so that nothing is missed or
repeated, whichever head leads; at its end it says with which --since to go on. --since 0
begins with the oldest that is kept. When what should come next is no longer kept, it ends
with status 7.

TOPIC is the beginning of a name: node- for all that befalls nodes. What no log numbers,
such as block-corrupt, is shown as it is published, and may be missed.

  dfsctl events --since 0 --json
  dfsctl events node- --for 1m)";

}  // namespace

const std::vector<HelpTopic>& help_topics() {
  static const std::vector<HelpTopic> topics = {
      {"paths", "how files are named, and where they are put", kPaths},
      {"settings", "flags, variables and the configuration file", kSettings},
      {"exit-codes", "how commands end", kExitCodes},
      {"durability", "when a file is safe", kDurability},
      {"security", "log-in, rights and keys", kSecurity},
      {"events", "what happens, and what has happened", kEvents},
  };
  return topics;
}

}  // namespace dfs::cli
