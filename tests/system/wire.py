"""The protocol itself, for what dfsctl would never say."""
import os
import random
import re

from support import brokers_of, read_bytes

OK, MALFORMED, TIMEOUT, NOT_FOUND, DENIED, LOGIN_NEEDED = 0, 100, 202, 300, 500, 501


class Wire:
    """Connections of a program that knows the cluster's public key and nothing else. `ticket` is
    what it shows unless it is told otherwise."""

    def __init__(self, context, cluster, ticket=b""):
        import msgpack
        import zmq
        self.zmq, self.msgpack = zmq, msgpack
        self.context = zmq.Context()
        self.sockets = {}
        self.broker = brokers_of(cluster)[0]
        conf = read_bytes(os.path.join(cluster.directory, "client.conf")).decode()
        key = re.search(r'cluster-key = "([0-9a-f]{64})"', conf)
        self.key = bytes.fromhex(key.group(1)) if key else None
        self.public, self.secret = zmq.curve_keypair()
        self.address = f"client/{random.getrandbits(64):016x}"
        self.ticket = ticket
        context.at_end(lambda: self.context.destroy(linger=0))

    def socket(self, endpoint):
        if endpoint not in self.sockets:
            link = self.context.socket(self.zmq.DEALER)
            # A key stands behind the endpoint, "#plain", or nothing: then it is a broker.
            address, _, mark = endpoint.partition("#")
            server = None if mark == "plain" else bytes.fromhex(mark) if mark else self.key
            if server:
                link.curve_serverkey = server
                link.curve_publickey, link.curve_secretkey = self.public, self.secret
            link.connect(address)
            self.sockets[endpoint] = link
        return self.sockets[endpoint]

    def ask(self, kind, body, ticket=None, to="monitor", endpoint=None, payload=None):
        """(code, body, payload) of the answer; TIMEOUT when there is none."""
        link, request = self.socket(endpoint or self.broker), random.getrandbits(63) or 1
        ticket = self.ticket if ticket is None else ticket
        frames = [self.msgpack.packb([1, kind, request, 0, 3000, self.address, to, ticket]),
                  self.msgpack.packb(body)] + ([payload] if payload is not None else [])
        link.send_multipart(frames)
        while link.poll(3000):
            answer = link.recv_multipart()
            header = self.msgpack.unpackb(answer[0])
            if header[2] != request:
                continue
            body = self.msgpack.unpackb(answer[1], raw=False)
            code = body["code"] if header[1] == 1 else OK
            return code, body, answer[2] if len(answer) > 2 else b""
        return TIMEOUT, {}, b""

    def code(self, *arguments, **options):
        return self.ask(*arguments, **options)[0]

    def reason(self, *arguments, **options):
        """The code of the answer, or why it was denied."""
        code, body, _ = self.ask(*arguments, **options)
        return body["cause"]["reason"] if code == DENIED else code
