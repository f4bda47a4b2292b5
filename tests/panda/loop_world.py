# SPDX-License-Identifier: Apache-2.0
"""What the tests of whole loops share: a fake PanDA, runs, and harvest called as cron would call it, killed at random."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zlib

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
import skipping  # noqa: E402
SITE = "TEST_HPC"


class FakePanda:
    def __init__(self, *words):
        path = os.path.join(SOURCE, "tests", "support", "panda/fake_panda.py")
        self.process = subprocess.Popen(["/usr/bin/python3", path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())
        self.url = self.ready["url"]

    def tell(self, name, /, **arguments):
        request = urllib.request.Request(self.ready["admin"] + name, json.dumps(arguments).encode(), method="POST")
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


class Server:
    """Another server of tests/support, by its ready line and its commands."""

    def __init__(self, name, *words):
        path = os.path.join(SOURCE, "tests", "support", name)
        self.process = subprocess.Popen(["/usr/bin/python3", path, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.ready = json.loads(line) if line else {}

    def tell(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["ok"], answer
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)


class LoopWorld:
    def __init__(self, bin_folder, name, panda_words=()):
        self.bin = os.path.abspath(bin_folder)
        self.folder = tempfile.mkdtemp(prefix="yoda_%s_" % name)
        self.environment = dict(os.environ)
        for key in ("X509_USER_PROXY", "X509_CERT_DIR", "OIDC_AUTH_TOKEN", "PANDA_AUTH_TOKEN", "YODA_HARVEST_CONFIG"):
            self.environment.pop(key, None)
        self.environment.update(HOME=self.folder, TMPDIR=self.path("tmp"))
        os.mkdir(self.path("tmp"))
        os.mkdir(self.path("inputs"))
        os.mkdir(self.path("runs"))
        os.mkdir(self.path("store"))
        self.panda = FakePanda(*panda_words)
        self.servers = []
        self.kill_count = self.call_count = 0
        self.usual_s = {}
        self.dice = random.Random(1)
        self.config = self.path("harvest.cfg")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.panda.close()
        for server in self.servers:
            server.close()
        if kind is None or kind is SystemExit and value.code == skipping.SKIPPED:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print("kept for a look: %s" % self.folder, file=sys.stderr)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def serve(self, name, *words):
        """A server that ends with this world; a machine without it skips the test."""
        server = Server(name, *words)
        self.servers.append(server)
        if not server.ready.get("ready"):
            skipping.skip("no %s: %s" % (name, server.ready.get("why")))
        return server

    def add_gateway(self):
        """Ceph's S3 gateway, with its keys in the environment."""
        gateway = self.serve("servers/radosgw.py")
        self.environment.update(AWS_ACCESS_KEY_ID=gateway.ready["access"], AWS_SECRET_ACCESS_KEY=gateway.ready["secret"])
        return gateway

    def write_config(self, **settings):
        lines = {"panda.url": self.panda.url, "panda.site": SITE, "input.folders": self.path("inputs"),
                 "store.es_events.url": "file://" + self.path("store"), "store.es_events.objstore_id": 117,
                 "push.first_wait": "0 s", "push.longest_wait": "0 s",
                 "yoda.disk.free_at_start": "1 MB", "yoda.disk.free_running": "1 MB"}
        lines.update({key.replace("__", "."): value for key, value in settings.items()})
        with open(self.config, "w") as file:
            for key, value in lines.items():
                file.write("%s = %s\n" % (key, value))

    def make_task(self, file_count=2, events=100, **more):
        files = []
        for number in range(file_count):
            name = "EVNT.%d._%06d.txt" % (more.get("task", 40000001), number + 1)
            text = "".join("event %d of %s\n" % (event + 1, name) for event in range(events)).encode()
            with open(self.path("inputs", name), "wb") as file:
                file.write(text)
            files.append({"lfn": name, "events": events, "fsize": len(text), "checksum": "ad:%08x" % zlib.adler32(text)})
        return self.panda.tell("task", files=files, **more)

    def write_payload(self, name="noop_payload", **keys):
        """noop_payload with 200 bytes a range, unless told."""
        keys = keys or {"channel": "worker", "executable": os.path.join(self.bin, "noop_payload"), "argument": "200",
                        "output": "opaque"}
        path = self.path(name + ".cfg")
        with open(path, "w") as file:
            file.write("name = %s\n" % name)
            for key, value in keys.items():
                for one in value if isinstance(value, list) else [value]:
                    file.write("%s = %s\n" % (key, one))
        return path

    # -- programs

    def start(self, *words):
        return subprocess.Popen([os.path.join(self.bin, "harvest"), *words, "--config", self.config], env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def harvest(self, *words, codes=(0,)):
        process = self.start(*words)
        output = process.communicate(timeout=300)[0]
        if process.returncode not in codes:
            raise AssertionError("harvest %s: %s\n%s" % (" ".join(words), process.returncode, output))
        return output

    def call_or_kill(self, *words, chance=0.5):
        """One cron tick: runs to its end, or dies by SIGKILL at a moment like any other. Its exit code."""
        began = time.monotonic()
        usual_s = self.usual_s.get(words[0], 0.2)
        process = self.start(*words)
        self.call_count += 1
        limit_s = self.dice.uniform(0, usual_s * 1.2) if self.dice.random() < chance else 120
        try:
            self.last_output = process.communicate(timeout=limit_s)[0]
            self.usual_s[words[0]] = 0.7 * usual_s + 0.3 * (time.monotonic() - began)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            self.last_output = process.communicate()[0]
            self.kill_count += 1
        return process.returncode

    def run_yoda(self, run, codes=(0,)):
        done = subprocess.run([os.path.join(self.bin, "yoda"), run], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300)
        if done.returncode not in codes:
            raise AssertionError("yoda: %d\n%s" % (done.returncode, done.stdout))

    # -- looking

    def states(self):
        return {job["PandaID"]: job["status"] for job in self.panda.tell("jobs")["jobs"]}

    def stored_bundles(self):
        """{name: bytes} of a folder store."""
        found = {}
        for folder, _, names in os.walk(self.path("store")):
            for name in names:
                if name.startswith("."):
                    continue  # A copy that a kill cut; nobody reads it.
                with open(os.path.join(folder, name), "rb") as file:
                    assert name not in found, "twice in the store: " + name
                    found[name] = file.read()
        return found

    def check_merge_inputs(self, bundles):
        """What the merge jobs ask for is in the store, byte for byte, each range's output exactly once."""
        jobs = self.panda.tell("counts")["merge_jobs"]
        assert jobs, "no merge job was made"
        fields = {}
        for job in jobs:
            fields = self.panda.tell("definition", PandaID=job)["fields"]
            wanted = fields["writeToFile"].split(":", 1)[1].split(",")
            there = {}
            names = [name[len("zip://"):] for name in fields["inFiles"].split(",")]
            assert len(set(names)) == len(names)
            for name, size, checksum in zip(names, fields["fsize"].split(","), fields["checksum"].split(",")):
                data = bundles[name]
                assert len(data) == int(size), name
                assert "ad:%08x" % zlib.adler32(data) == checksum, name
                with open(self.path("tmp", "look.tar"), "wb") as file:
                    file.write(data)
                with tarfile.open(self.path("tmp", "look.tar")) as tar:
                    for member in tar.getnames():
                        there.setdefault(member, []).append(name)
            assert len(set(wanted)) == len(wanted)
            for member in wanted:
                places = there.get(member, [])
                assert len(places) == 1, "%s is in the bundles %s" % (member, places)
        return fields

    def check_nothing_twice(self):
        seen = set()
        for row in self.panda.tell("events")["events"]:
            key = (row["fileID"], row["job_processID"])
            assert key not in seen, "range %s is in PanDA's table twice" % (key,)
            seen.add(key)
        return len(seen)
