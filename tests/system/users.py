"""Users: signing up, logging in, being shut out; what is kept outlives restarts and leaders."""
import os
import stat

from people import DENIED, GOOD_PASSWORD, Person, administrator
from support import check, check_equal, read_bytes, test, wait_until, write_bytes

def user_names(person):
    return sorted(user["user"] for user in person.ctl("--json", "user", "list").json)


@test
def S2_4_people_sign_up_and_log_in_and_the_list_of_users_is_kept_by_the_cluster(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    admin = administrator(cluster)
    ada = Person(cluster, "ada")
    ada.ctl("whoami", wanted=DENIED)
    refused = ada.ctl("signup", "ada", wanted=DENIED, lines=[GOOD_PASSWORD])
    check("closed" in refused.err, f"signing up says why it is refused: {refused.err}")
    admin.ctl("user", "sign-up", "open")
    ada.ctl("signup", "ada", lines=[GOOD_PASSWORD])
    check("ada, user, uid 1000" in ada.ctl("whoami").out, "who ada is")
    mode = stat.S_IMODE(os.stat(ada.ticket_file()).st_mode)
    check_equal(mode, 0o600, "the mode of the ticket's file")
    check_equal(user_names(admin), ["ada", "admin"], "the users")
    check_equal(user_names(ada), ["ada"], "the users that ada sees")
    ada.ctl("user", "add", "eva", wanted=DENIED)
    ada.ctl("logout")
    ada.ctl("user", "list", wanted=DENIED)
    ada.login("wrong horse", wanted=DENIED)
    Person(cluster, "nobody").login(wanted=DENIED)
    ada.login()
    # No head has it alone: all of them die, and it is there again.
    heads = ["head-1", "head-2", "head-3"]
    cluster.kill_at_once(heads)
    for name in heads:
        cluster.start(name)
    cluster.wait_heads(3)
    check_equal(user_names(admin), ["ada", "admin"], "the users after a restart")
    ada.login()
    # An administrator's word is enough to be out, whatever ticket one has.
    admin.ctl("user", "lock", "ada")
    ada.ctl("user", "list", wanted=DENIED)
    ada.login(wanted=DENIED)
    admin.ctl("user", "unlock", "ada")
    ada.login()
    admin.ctl("user", "remove", "ada")
    ada.ctl("user", "list", wanted=DENIED)
    check_equal(user_names(admin), ["admin"], "the users at the end")


@test
def S2_8_no_client_fails_when_the_leader_of_the_users_is_lost(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    admin = administrator(cluster)
    admin.ctl("user", "add", "ada", lines=[GOOD_PASSWORD])
    for name in ["head-1", "head-2", "head-3"]:  # one of them leads
        cluster.kill_at_once([name])
        check_equal(user_names(admin), ["ada", "admin"], f"the users without {name}")
        Person(cluster, "ada").login()
        admin.login()
        cluster.start(name)
        cluster.wait_heads(3)
    # Without a majority nobody is let in, and the program says so in time.
    cluster.kill_at_once(["head-2", "head-3"])
    lost = Person(cluster, "ada").ctl("--timeout", "3s", "login", "ada", wanted=4,
                                      lines=[GOOD_PASSWORD])
    check("no head leads: only head 1 of 3 answers" in lost.err, f"what is said: {lost.err}")
    for name in ["head-2", "head-3"]:
        cluster.start(name)
    cluster.wait_heads(3)
    Person(cluster, "ada").login()


@test
def F11_programs_get_tickets_that_end_and_the_audit_tells_of_all(t):
    cluster = t.cluster(storages=1, replicas=1)
    admin = administrator(cluster)
    program = Person(cluster, "program")
    made = admin.ctl("--json", "token", "create", "--label", "backup", "--read-only", "--lasts",
                     "1h").report
    path = write_bytes(os.path.join(t.directory, "token"), made["token"].encode())
    program.ctl("--ticket", made["token"], "user", "list", wanted=2)  # arguments can be seen
    program.ctl("--ticket", "@" + path, "user", "list")
    program.ctl("--ticket", "@" + path, "user", "add", "eva", wanted=DENIED)
    session = next(one["session"] for one in admin.ctl("--json", "token", "list").json
                   if one["label"] == "backup")
    admin.ctl("token", "remove", str(session))
    program.ctl("--ticket", "@" + path, "user", "list", wanted=DENIED)
    Person(cluster, "admin").login("wrong horse", wanted=DENIED)

    def told():
        topics = [event["topic"] for event in admin.ctl("--json", "audit").json]
        wanted = {"user-added", "login", "password-changed", "token-made", "session-ended",
                  "login-failed", "denied", "node-joined"}
        return wanted <= set(topics)
    wait_until(told, "everything in the audit")
    for folder, _, files in os.walk(os.path.join(cluster.directory, "log")):
        for file in files:
            text = read_bytes(os.path.join(folder, file))
            check(GOOD_PASSWORD.encode() not in text, f"a password in {file}")
            check(made["token"].encode() not in text, f"a ticket in {file}")
