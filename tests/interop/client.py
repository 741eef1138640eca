#!/usr/bin/env python3
"""A ZDFS client written from messages/README.md alone, with pyzmq and msgpack and nothing of ZDFS.

client.py BROKER list PATH | put LOCAL REMOTE [BLOCK_MIB] | get REMOTE LOCAL | tail COUNT [TOPIC]
BROKER is tcp://host:port, several with commas between them.
"""
import os
import random
import sys
import time
import msgpack
import zmq

PART, INLINE_MAX, WINDOW = 1 << 20, 4096, 4
ERROR, LIST, PLAN, COMMIT, OPEN, WRITE, READ = 1, 202, 300, 302, 304, 400, 402
RETRYABLE = range(200, 206)

TABLE = list(range(256))
for _ in range(8):
    TABLE = [(crc >> 1) ^ (0x82F63B78 if crc & 1 else 0) for crc in TABLE]


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


class Refused(Exception):
    """The code and the text of an error."""


class Client:
    def __init__(self, brokers):
        self.brokers = brokers
        self.context = zmq.Context()
        self.name = f"client/{random.getrandbits(64):016x}"
        self.sockets = {}
        self.silent = set()  # endpoints that once did not answer
        self.replies = {}  # by request id, until their caller asks for them

    def socket(self, endpoint):
        if endpoint not in self.sockets:
            socket = self.sockets[endpoint] = self.context.socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(endpoint)
        return self.sockets[endpoint]

    def send(self, endpoint, to, kind, body, payload=None, request=None):
        request = request or random.getrandbits(64) or 1
        header = [1, kind, request, 0, 10000, self.name, to, b""]
        # Names are bytes that need not be UTF-8; surrogateescape brings them through unchanged.
        frames = [msgpack.packb(header), msgpack.packb(body, unicode_errors="surrogateescape")]
        self.socket(endpoint).send_multipart(frames + ([payload] if payload else []))
        return request

    def wait(self, endpoint, request, seconds=3):
        deadline = time.monotonic() + seconds
        while request not in self.replies:
            left = deadline - time.monotonic()
            if left <= 0 or not self.socket(endpoint).poll(left * 1000):
                self.silent.add(endpoint)
                raise Refused(202, f"{endpoint} does not answer")
            frames = self.socket(endpoint).recv_multipart()
            header = msgpack.unpackb(frames[0], raw=False)
            self.replies[header[2]] = (header[1], frames[1:])
        kind, frames = self.replies.pop(request)
        body = msgpack.unpackb(frames[0], raw=False, unicode_errors="surrogateescape")
        if kind == ERROR:
            raise Refused(body["code"], body["text"])
        return body, frames[1] if len(frames) > 1 else b""

    def ask(self, kind, body):
        """Asks the monitor through one broker after the other, always with the same request id."""
        request = random.getrandbits(64) or 1
        for attempt in range(10):
            broker = self.brokers[attempt % len(self.brokers)]
            try:
                self.send(broker, "monitor", kind, body, request=request)
                return self.wait(broker, request)[0]
            except Refused as error:
                if error.args[0] not in RETRYABLE or attempt == 9:
                    raise
                time.sleep(0.2)

    def list(self, path):
        after = ""
        while True:
            page = self.ask(LIST, {"path": path, "after": after})
            yield from page["entries"]
            if not page["more"]:
                return
            after = page["entries"][-1]["name"]

    def write_block(self, plan, group, index, data):
        """Returns the nodes that hold the block."""
        live = [m for m in group["members"] if m["up"]]
        first, chain = live[0], [{"node": m["node"], "endpoint": m["endpoint"]} for m in live[1:]]
        body = {"object": plan["object"], "index": index, "group": group["group"], "chain": chain,
                "epoch": group["epoch"], "upload": random.getrandbits(64), "capacity": len(data)}
        to, waiting, reply = f"storage/{first['node']}", [], None
        for offset in range(0, len(data), PART):
            part = data[offset:offset + PART]
            last = offset + PART >= len(data)
            message = dict(body, offset=offset, crc32c=crc32c(part), last=last)
            waiting.append(self.send(first["endpoint"], to, WRITE, message, part))
            while len(waiting) >= WINDOW or (last and waiting):
                reply = self.wait(first["endpoint"], waiting.pop(0))[0]
        if not reply["durable"] or reply["crc32c"] != crc32c(data):
            raise Refused(401, f"block {index} was not stored as it was sent")
        return reply["nodes"]

    def put(self, local, remote, block_bytes):
        size = os.path.getsize(local)
        commit = {"path": remote, "size": size}
        with open(local, "rb") as file:
            if size <= INLINE_MAX:
                content = file.read()
                return self.ask(COMMIT, dict(commit, content=content, crc32c=crc32c(content)))
            plan = self.ask(PLAN, {"path": remote, "size": size, "block_bytes": block_bytes})
            groups, writes, crc, index = plan["groups"], {}, 0, 0
            while data := file.read(plan["block_bytes"]):
                crc = crc32c(data, crc)
                group = groups[index % len(groups)]
                nodes = set(self.write_block(plan, group, index, data))
                key = group["group"], group["epoch"]
                writes[key] = writes.get(key, nodes) & nodes
                index += 1
        layout = {"object": plan["object"], "block_bytes": plan["block_bytes"],
                  "groups": [group["group"] for group in groups], "overrides": []}
        written = [{"group": g, "epoch": e, "nodes": sorted(n)} for (g, e), n in writes.items()]
        return self.ask(COMMIT, dict(commit, crc32c=crc, layout=layout, writes=written))

    def read_part(self, members, body):
        why = Refused(200, "no replica is up")
        for member in sorted(members, key=lambda m: (m["endpoint"] in self.silent, not m["up"])):
            try:
                endpoint, to = member["endpoint"], f"storage/{member['node']}"
                reply, payload = self.wait(endpoint, self.send(endpoint, to, READ, body))
                if crc32c(payload) == reply["crc32c"]:
                    return payload
                why = Refused(401, "the bytes of a part do not match their checksum")
            except Refused as error:
                why = error
        raise why

    def get(self, remote, local):
        opened, crc, done = self.ask(OPEN, {"path": remote}), 0, 0
        info, layout = opened["info"], opened["layout"]
        members = {route["group"]: route["members"] for route in opened["routes"]}
        moved = {o["index"]: o["group"] for o in layout["overrides"]}
        with open(local, "wb") as file:
            if info["object"] == 0:
                done, crc = file.write(opened["content"]), crc32c(opened["content"])
            while done < info["size"]:
                index, offset = divmod(done, layout["block_bytes"])
                group = moved.get(index, layout["groups"][index % len(layout["groups"])])
                length = min(PART, layout["block_bytes"] - offset, info["size"] - done)
                where = {"object": info["object"], "index": index, "group": group}
                part = self.read_part(members[group], dict(where, offset=offset, length=length))
                file.write(part)
                crc = crc32c(part, crc)
                done += len(part)
        if crc != info["crc32c"]:
            raise Refused(401, "the content does not match the file's checksum")
        return info

    def tail(self, count, topic=""):
        socket = self.context.socket(zmq.SUB)
        socket.subscribe(b"event/" + topic.encode())
        for broker in self.brokers:
            host, _, port = broker.rpartition(":")
            socket.connect(f"{host}:{int(port) + 2}")
        for _ in range(count):
            topic, _, body = socket.recv_multipart()
            yield topic.decode(), msgpack.unpackb(body, raw=False, unicode_errors="replace")


def main(brokers, command, *rest):
    client = Client(brokers.split(","))
    if command == "list":
        for entry in client.list(rest[0]):
            print(entry["info"]["size"], entry["name"])
    elif command == "put":
        block_mib = int(rest[2]) if len(rest) > 2 else 0
        print("version", client.put(rest[0], rest[1], block_mib << 20)["version"])
    elif command == "get":
        print("size", client.get(rest[0], rest[1])["size"])
    elif command == "tail":
        for topic, event in client.tail(int(rest[0]), *rest[1:]):
            print(topic, event["fields"], flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="surrogateescape")
    try:
        main(*sys.argv[1:])
    except Refused as refused:
        sys.exit("error %d: %s" % refused.args)
