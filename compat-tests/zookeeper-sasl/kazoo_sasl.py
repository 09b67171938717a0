"""kazoo by DIGEST-MD5. usage: kazoo_sasl.py scenario HOST | tree HOST USER PASSWORD"""
import sys

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.security import ACL, Id, make_acl


def connect(host, user=None, password=None, auth=None):
    options = {"mechanism": "DIGEST-MD5", "username": user, "password": password} if user else None
    client = KazooClient(hosts=host, sasl_options=options, auth_data=auth, timeout=30)
    client.start(timeout=60)
    return client


def attempt(name, call):
    try:
        result = call()
    except KazooException as error:
        result = type(error).__name__
    print(f"{name}: {result}", flush=True)


def rules(client, path):
    return sorted((acl.perms, acl.id.scheme, acl.id.id) for acl in client.get_acls(path)[0])


CREATOR = [ACL(31, Id("auth", ""))]


def scenario(host):
    kafka = connect(host, "kafka", "kafka secret")
    attempt("create", lambda: kafka.create("/mine", b"x", acl=CREATOR))
    attempt("rules", lambda: rules(kafka, "/mine"))
    attempt("for another", lambda: kafka.create("/shared", b"y", acl=[make_acl("sasl", "other", read=True), *CREATOR]))
    attempt("bad name", lambda: kafka.create("/bad", b"", acl=[make_acl("sasl", "a@b@c", all=True)]))
    both = connect(host, "kafka", "kafka secret", auth=[("digest", "user:pass")])
    attempt("two identities", lambda: both.create("/both", b"", acl=CREATOR))
    attempt("rules of two", lambda: [(acl.id.scheme, acl.id.id) for acl in both.get_acls("/both")[0]])
    other = connect(host, "other", "o\"\\thers")
    attempt("other reads mine", lambda: other.get("/mine")[0])
    attempt("other reads shared", lambda: other.get("/shared")[0])
    attempt("other writes shared", lambda: other.set("/shared", b"z"))
    attempt("other deletes", lambda: other.delete("/mine"))  # the parent's rules count
    nobody = connect(host)
    attempt("nobody reads", lambda: nobody.get("/shared"))
    attempt("nobody's auth", lambda: nobody.create("/n", b"", acl=CREATOR))
    attempt("nobody asks for rules", lambda: rules(nobody, "/shared"))
    admin = connect(host, "admin", "as")
    attempt("super user", lambda: admin.get("/shared")[0])
    attempt("super user creates", lambda: admin.create("/s", b"", acl=CREATOR))
    attempt("rules of the super user", lambda: rules(admin, "/s"))
    attempt("multi", lambda: [type(result).__name__ for result in multi(other)])
    for path in ("/shared", "/both", "/s"):
        attempt("cleaning", lambda path=path: admin.delete(path))
    for client in (kafka, both, other, nobody, admin):
        client.stop()
        client.close()
    wrong_password(host)


def multi(client):
    transaction = client.transaction()
    transaction.create("/made", b"")
    transaction.set_data("/s", b"")
    return transaction.commit()


def wrong_password(host):
    for user, password in (("kafka", "wrong"), ("stranger", "x")):
        try:
            client = connect(host, user, password)
            client.get_children_async("/").get(timeout=60)
            print(f"{user}: let in")
        except Exception:  # pylint: disable=broad-except
            print(f"{user}: refused")


def tree(host, user, password):
    client = connect(host, user, password)

    def walk(path):
        text = " ".join(f"{perms}:{scheme}:{name}" for perms, scheme, name in rules(client, path))
        print(f"{path} {text}")
        for child in sorted(client.get_children(path)):
            walk(f"{path.rstrip('/')}/{child}")

    walk("/")
    client.stop()


if __name__ == "__main__":
    {"scenario": scenario, "tree": tree}[sys.argv[1]](*sys.argv[2:])
