#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PanDA server for tests: HTTP and HTTPS on loopback, a real event table behind it, and faults on demand.

    fake_panda.py [--api both|classic|v1] [--seed N] [--tls]

Prints one JSON line {"ready": true, "url": ..., "https_url": ..., "admin": ..., "tls": {...}} and obeys one-line commands on stdin
("NAME {json arguments}"), each answered by one JSON line; the end of stdin ends it. The same commands are POSTs to
admin/NAME, where other processes can reach them. Over plain HTTP the headers X-Test-Dn and X-Test-Fqan ("-": none) say who asks.
"""
import argparse
import http.server
import json
import os
import random
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
import tls_files  # noqa: E402
from panda_calls import DEFAULT_DN, Answer, CloseConnection, PandaCalls, Request, text  # noqa: E402
from panda_table import PandaTable  # noqa: E402

ERROR_PAGE = "<!DOCTYPE HTML>\n<html><head><title>%d</title></head><body><h1>Service Unavailable</h1></body></html>\n"


class Fault:
    """One rule: which calls it hits and what happens to them.

    before / after       HTTP 500 without / after the work was done
    drop_before / drop_after   the connection is closed without an answer
    truncate             the work is done, half of the answer is sent
    html                 an error page of the front end (503), nothing done;  html_200: the same with status 200, work done
    slow                 the work is done, the answer comes after `seconds`
    busy                 HTTP 503, nothing done
    """

    def __init__(self, kind, method="*", skip=0, count=1, probability=1.0, seconds=1.0):
        self.kind, self.method, self.skip, self.count = kind, method, skip, count
        self.probability, self.seconds = probability, seconds

    def hits(self, method, dice):
        if self.method not in ("*", method) or self.count == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if dice.random() >= self.probability:
            return False
        if self.count > 0:
            self.count -= 1
        return True


class World:
    def __init__(self, options):
        self.lock = threading.RLock()
        self.table = PandaTable(options.seed)
        self.calls = PandaCalls(self.table)
        self.calls.classic = options.api in ("both", "classic")
        self.calls.v1 = options.api in ("both", "v1")
        self.dice = random.Random(options.seed)
        self.faults = []
        self.requests = 0
        self.request_bytes = self.answer_bytes = 0
        self.down_after = None   # go down after so many more requests
        self.services = []
        self.clock_offset = 0.0
        self.date_offset_s = 0
        self.time_zero = time.monotonic()
        self.wake = threading.Condition(self.lock)

    def tick(self):
        self.table.now = time.monotonic() - self.time_zero + self.clock_offset

    def serve(self, request):
        """-> (answer or None to close the connection, cut the answer in half)."""
        with self.lock:
            self.tick()
            self.table.watch()
            self.requests += 1
            if self.down_after is not None:
                self.down_after -= 1
                if self.down_after < 0:
                    threading.Thread(target=self.go_down, daemon=True).start()
                    return None, False
            fault = next((f for f in self.faults if f.hits(request.method, self.dice)), None)
            kind = fault.kind if fault else ""
            if kind == "drop_before":
                return None, False
            if kind == "before":
                return text(500, "database connection lost"), False
            if kind == "busy":
                return text(503, "busy"), False
            if kind == "html":
                return Answer(503, "text/html; charset=iso-8859-1", ERROR_PAGE % 503), False
            try:
                answer = self.calls.answer(request)
            except CloseConnection as closing:
                answer = closing.args[0]
            self.answer_bytes += len(answer.body)
            self.request_bytes += len(request.body)
        if kind == "slow":
            time.sleep(fault.seconds)
        if kind == "after":
            return text(500, "an exception after the commit"), False
        if kind == "drop_after":
            return None, False
        if kind == "html_200":
            return Answer(200, "text/html", ERROR_PAGE % 502), False
        return answer, kind == "truncate"

    def go_down(self):
        for service in self.services:
            service.stop()

    def go_up(self):
        for service in self.services:
            service.start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world = None
    service = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string((timestamp or time.time()) + self.world.date_offset_s)

    def who(self):
        if self.service.tls:
            certificate = self.connection.getpeercert()
            if not certificate:
                return "", ""
            names = {"organizationName": "O", "commonName": "CN", "organizationalUnitName": "OU", "domainComponent": "DC"}
            return "".join("/%s=%s" % (names.get(k, k), v) for part in certificate["subject"] for k, v in part), ""
        dn = self.headers.get("X-Test-Dn", DEFAULT_DN)
        fqan = self.headers.get("X-Test-Fqan", "/atlas/Role=production")
        return ("" if dn == "-" else dn), ("" if fqan == "-" else fqan)

    def handle_call(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            self.send(text(500, "partial read from client. %d bytes remaining" % (length - len(body))), False)
            self.close_connection = True
            return
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # The server never reads such a body.
        dn, fqan = self.who()
        request = Request(self.command, self.path, self.headers, body, dn, fqan)
        answer, half = self.world.serve(request)
        if answer is None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            return
        self.send(answer, half)

    def send(self, answer, half):
        try:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[:len(answer.body) // 2] if half else answer.body)
        except OSError:
            self.close_connection = True
        if half:
            self.close_connection = True

    do_GET = do_POST = handle_call


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, *arguments):
        self.open_connections = set()
        super().__init__(*arguments)

    def process_request(self, request, client_address):
        self.open_connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open_connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self):
        for connection in list(self.open_connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ssl.SSLError)):
            super().handle_error(request, client_address)


class Service:
    """A listening port that can be closed (connections are refused then) and opened again at the same number."""

    def __init__(self, world, tls=None):
        self.world, self.tls = world, tls
        self.port = 0
        self.server = None
        self.start()

    def start(self):
        if self.server:
            return
        handler = type("BoundHandler", (Handler,), {"world": self.world, "service": self})
        server = Server(("127.0.0.1", self.port), handler)
        self.port = server.server_address[1]
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls["server_cert"], self.tls["server_key"])
            context.load_verify_locations(self.tls["ca"])
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_ALLOW_PROXY_CERTS
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self):
        server, self.server = self.server, None
        if server:
            server.shutdown()
            server.server_close()
            server.close_connections()


class Admin:
    """What a test may do to the world; every method is a command."""

    def __init__(self, world):
        self.world = world

    def task(self, **arguments):
        return self.world.table.make_task(**arguments)

    def job(self, PandaID, command=None, status=None, sup_error=None, debug=None, attempt=None):
        job = self.world.table.jobs[PandaID]
        if command is not None:
            job.command = command or None
        if status is not None:
            job.status = status
        if sup_error is not None:
            job.sup_error = sup_error
        if debug is not None:
            job.debug = debug
        if attempt is not None:
            job.attempt = attempt
        return {}

    def numbers(self, panda_id=None, file_id=None):
        """The next ones that are given."""
        if panda_id is not None:
            self.world.table.next_panda_id = panda_id
        if file_id is not None:
            self.world.table.next_file_id = file_id
        return {}

    def inject(self, ranges):
        """Joins these, as they are, to the next list of ranges that is not empty."""
        self.world.table.injected = ranges
        return {}

    def keys(self, **pairs):
        """Keys by name, for getKeyPair."""
        self.world.calls.keys.update(pairs)
        return {}

    def clock(self, offset_s):
        """What the server says that time it is."""
        self.world.date_offset_s = offset_s
        return {}

    def job_fields(self, PandaID, **fields):
        self.world.table.jobs[PandaID].fields.update(fields)
        return {}

    def drop_fields(self, PandaID, names):
        for name in names:
            self.world.table.jobs[PandaID].fields.pop(name, None)
        return {}

    def definition(self, PandaID):
        return {"fields": self.world.table.jobs[PandaID].fields}

    def assign(self, PandaID, job_processIDs):
        self.world.table.assign(PandaID, set(job_processIDs))
        return {}

    def rename_file(self, fileID, lfn):
        """What ranges of this file are said to be of; the job's definition keeps the old name."""
        self.world.table.files[fileID]["lfn"] = lfn
        return {}

    def hide_ranges(self, jobsetID):
        """As if other consumers had taken all."""
        self.world.table.pools[jobsetID] = {}
        return {}

    def forget_file(self, fileID):
        self.world.table.files.pop(fileID)
        return {}

    def faults(self, rules=(), seed=None):
        if seed is not None:
            self.world.dice.seed(seed)
        self.world.faults = [Fault(**rule) for rule in rules]
        return {}

    def down(self, after_requests=None):
        if after_requests is None:
            self.world.go_down()
        else:
            self.world.down_after = after_requests
        return {}

    def up(self):
        self.world.down_after = None
        self.world.go_up()
        return {}

    def advance(self, seconds):
        self.world.clock_offset += seconds
        self.world.tick()
        return {"lost": self.world.table.watch()}

    def adder(self, auto=None):
        if auto is not None:
            self.world.table.auto_adder = auto
        return {"processed": self.world.table.run_adder()}

    def server(self, classic=None, v1=None, v1_repaired=None, stumbles=None, tokens=None, token_keys=None, other_attempt=None,
               merge_jobs_here=None, merge_timeout_discards=None):
        calls = self.world.calls
        for name, value in (("classic", classic), ("v1", v1), ("v1_repaired", v1_repaired), ("tokens", tokens),
                            ("token_keys", token_keys)):
            if value is not None:
                setattr(calls, name, value)
        for name, value in (("stumbles", stumbles), ("other_attempt", other_attempt), ("merge_jobs_here", merge_jobs_here),
                            ("merge_timeout_discards", merge_timeout_discards)):
            if value is not None:
                setattr(self.world.table, name, value)
        return {}

    def events(self):
        return {"events": self.world.table.dump_events()}

    def counts(self):
        table = self.world.table
        return {"events": table.count_events(), "merge_jobs": table.merge_jobs, "given": table.given,
                "zips": len(table.zips), "adder_errors": table.adder_errors, "requests": self.world.requests, "calls": self.world.calls.calls,
                "request_bytes": self.world.request_bytes, "answer_bytes": self.world.answer_bytes}

    def jobs(self):
        return {"jobs": self.world.table.dump_jobs()}

    def zips(self):
        return {"zips": list(self.world.table.zips.values())}

    def log(self):
        return {"log": self.world.calls.log}

    def run(self, name, arguments):
        with self.world.lock:
            self.world.tick()
            if name.startswith("_") or name == "run" or not hasattr(self, name):
                raise ValueError("no command " + name)
            return getattr(self, name)(**arguments)


class AdminHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    admin = None

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = obey(self.admin, self.path.strip("/") + " " + (body.decode() or "{}"))
        data = json.dumps(answer).encode()
        self.send_response(200 if answer["ok"] else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def obey(admin, line):
    name, _, rest = line.strip().partition(" ")
    try:
        return dict(ok=True, **admin.run(name, json.loads(rest or "{}")))
    except Exception as problem:  # Whatever it is, the test must hear of it.
        return {"ok": False, "why": "%s: %s" % (type(problem).__name__, problem)}


def start(options, folder):
    world = World(options)
    world.services = [Service(world)]
    ready = {"url": "http://127.0.0.1:%d" % world.services[0].port}
    if options.tls:
        tls = tls_files.make(folder)
        world.services.append(Service(world, tls))
        ready.update(https_url="https://localhost:%d" % world.services[1].port, tls=tls)
    admin = Admin(world)
    port = Server(("127.0.0.1", 0), type("Bound", (AdminHandler,), {"admin": admin}))
    threading.Thread(target=port.serve_forever, daemon=True).start()
    ready["admin"] = "http://127.0.0.1:%d/" % port.server_address[1]
    return admin, ready


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", choices=("both", "classic", "v1"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="yoda-test-panda-")
    try:
        admin, ready = start(options, folder)
        print(json.dumps(dict(ready=True, folder=folder, **ready)), flush=True)
        for line in sys.stdin:
            if line.strip():
                print(json.dumps(obey(admin, line)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
