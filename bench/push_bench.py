#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest push against its peers on a real Ceph gateway on loopback, same machine, same minutes; ratios count.

    bench/push_bench.py BUILD_FOLDER [--parts small,large,tick,many] [--repeat 3] [--small 2000] [--large-mib 1024]
                        [--many 100000] [--json FILE]

Peers that are not installed are named and left out: rclone, awscli, s3cmd, davix. "verified": the program proves by
checksum that what the store holds is what was sent (davix does not). Runs interleave, medians count. Also measured: the
peak of resident memory; a cron tick (`harvest push RUN`, the whole program) over 10,000 bundles that are cleaned already;
and a run with 100,000 of them: its tick, and what 1,000 new bundles cost there against a run that has only those.
"""
import argparse
import glob
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


class Gateway:
    def __init__(self):
        script = os.path.join(HERE, "..", "tests", "support", "servers/radosgw.py")
        self.process = subprocess.Popen(["/usr/bin/python3", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        universal_newlines=True)
        self.ready = json.loads(self.process.stdout.readline())
        if not self.ready["ready"]:
            sys.exit("no gateway: " + self.ready["why"])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def timed(command, environment, cwd=None, accept=(0,)):
    """-> wall seconds, CPU seconds, peak RSS in MiB"""
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        code = os.waitstatus_to_exitcode(status)
        if code not in accept:
            out.seek(0)
            raise RuntimeError("%s ended with %d:\n%s" % (command[0], code, out.read()[-2000:].decode(errors="replace")))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Bench:
    def __init__(self, build, gateway, folder):
        self.build, self.gateway, self.folder = build, gateway, folder
        ready = gateway.ready
        self.url = "http://" + ready["endpoint"]
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "RCLONE_"))}
        self.environment.update(AWS_ACCESS_KEY_ID=ready["access"], AWS_SECRET_ACCESS_KEY=ready["secret"],
                                AWS_DEFAULT_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", HOME=folder)
        self.keys = os.path.join(folder, "keys")
        with open(self.keys, "w") as out:
            out.write("aws_access_key_id = %s\naws_secret_access_key = %s\n" % (ready["access"], ready["secret"]))
        os.chmod(self.keys, 0o600)
        with open(os.path.join(folder, "s3cfg"), "w") as out:
            out.write("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\n"
                      % (ready["access"], ready["secret"], ready["endpoint"], ready["endpoint"]))
        self.bucket_count = 0

    def new_bucket(self):
        self.bucket_count += 1
        name = "bench-%d" % self.bucket_count
        subprocess.run(["/usr/bin/python3", "-c",
                        "import boto3,sys; boto3.client('s3', endpoint_url=sys.argv[1]).create_bucket(Bucket=sys.argv[2])",
                        self.url, name], check=True, env=self.environment)
        return name

    def drop_bucket(self, name):
        subprocess.run(["radosgw-admin", "-c", os.path.join(self.gateway.ready["folder"], "ceph.conf"), "bucket", "rm",
                        "--bucket=" + name, "--purge-objects", "--bypass-gc"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin"))

    def push(self, run, bucket, accept=(0,)):
        config = os.path.join(self.folder, "push.json")
        with open(config, "w") as out:
            json.dump({"folders": [run], "stores": {"es_events": {"url": "s3+http://%s/%s" % (
                self.gateway.ready["endpoint"], bucket), "key_file": self.keys}}}, out)
        return timed([os.path.join(self.build, "bin", "push_driver"), config], self.environment, accept=accept)

    def peer(self, name, data, bucket, large):
        endpoint = self.gateway.ready["endpoint"]
        rclone_remote = ":s3,provider=Ceph,env_auth=true,endpoint='%s':%s" % (self.url, bucket)
        commands = {
            "rclone": ["rclone", "copy", data, rclone_remote, "--transfers", "8", "--s3-no-check-bucket"],
            "awscli": ["aws", "--endpoint-url", self.url, "s3", "cp", "--recursive", "--quiet", data, "s3://" + bucket],
            "s3cmd": ["s3cmd", "-c", os.path.join(self.folder, "s3cfg"), "put", "-q", "--no-progress"] +
                     sorted(glob.glob(os.path.join(data, "*"))) + ["s3://%s/" % bucket],
            "davix": (["davix-put", "--s3accesskey", self.gateway.ready["access"], "--s3secretkey",
                       self.gateway.ready["secret"], "--s3region", "us-east-1", "--s3alternate"] +
                      (["-r", "8", data, "s3://%s/%s/" % (endpoint, bucket)] if not large else
                       [glob.glob(os.path.join(data, "*"))[0], "s3://%s/%s/large" % (endpoint, bucket)])),
        }
        # davix-put -r ends with 255 although all files are there.
        return timed(commands[name], self.environment, accept=(0, 255) if name == "davix" else (0,))


def compare(bench, count, size, repeat, peers):
    """Median of each program over interleaved repeats."""
    run = os.path.join(bench.folder, "run")
    make = os.path.join(bench.build, "bin", "push_make_run")
    subprocess.run([make, run, str(count), str(size)], check=True)
    data = os.path.join(bench.folder, "data")
    os.makedirs(data)
    for path in glob.glob(os.path.join(run, "bundles", "*.tar")):
        os.link(path, os.path.join(data, os.path.basename(path)))
    figures = {}
    for _ in range(repeat):
        for name in ["harvest"] + peers:
            bucket = bench.new_bucket()
            if name == "harvest":
                figure = bench.push(run, bucket)
                # It removes what is verified: back for the next round.
                shutil.rmtree(os.path.join(run, "stage"))
                for path in os.listdir(data):
                    os.link(os.path.join(data, path), os.path.join(run, "bundles", path))
            else:
                try:
                    figure = bench.peer(name, data, bucket, count == 1)
                except RuntimeError as problem:
                    print("  %s failed: %s" % (name, problem))
                    bench.drop_bucket(bucket)
                    continue
            figures.setdefault(name, []).append(figure)
            bench.drop_bucket(bucket)
    shutil.rmtree(run)
    shutil.rmtree(data)
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items()}


def show(title, medians, verifying):
    print(title)
    best = min((row[0], name) for name, row in medians.items() if name != "harvest" and name in verifying) \
        if any(name in verifying for name in medians) else None
    for name, (wall, cpu, rss) in sorted(medians.items(), key=lambda item: item[1][0]):
        print("  %-8s %8.2f s  CPU %6.2f s  RSS %5.0f MiB%s" % (name, wall, cpu, rss,
                                                                "" if name in verifying + ["harvest"] else "  (verifies nothing)"))
    if best:
        print("  harvest is %.2fx the best verifying peer (%s)" % (best[0] / medians["harvest"][0], best[1]))


def make_bundles(bench, run, count, first=0):
    subprocess.run([os.path.join(bench.build, "bin", "push_make_run"), run, str(count), "64", str(first)], check=True)


def harvest_push(bench, run):
    """As cron calls it, to a folder: the store plays no part in what is measured here."""
    os.makedirs(os.path.join(bench.folder, "store"), exist_ok=True)
    return timed([os.path.join(bench.build, "bin", "harvest"), "push", run,
                  "--set=store.es_events.url=file://" + os.path.join(bench.folder, "store")], bench.environment)


def idle_tick(bench, run, repeat=5):
    rows = [harvest_push(bench, run) for _ in range(repeat)]
    return [statistics.median(column) for column in zip(*rows)]


def tick(bench):
    run = os.path.join(bench.folder, "idle")
    make_bundles(bench, run, 10000)
    harvest_push(bench, run)
    wall, cpu, rss = idle_tick(bench, run)
    print("a tick over 10,000 cleaned bundles: %.3f s, CPU %.3f s, RSS %.0f MiB (medians of 5)" % (wall, cpu, rss))
    shutil.rmtree(run)
    return [wall, cpu, rss]


def many(bench, count):
    old, new = os.path.join(bench.folder, "many"), os.path.join(bench.folder, "few")
    make_bundles(bench, old, count)
    wall, cpu, rss = harvest_push(bench, old)
    print("%d bundles of 64 bytes to a folder: %.1f s, %.0f a second, CPU %.1f s, RSS %.0f MiB" % (count, wall, count / wall, cpu, rss))
    idle = idle_tick(bench, old)
    print("a tick over them, all cleaned: %.3f s, CPU %.3f s, RSS %.0f MiB (medians of 5)" % tuple(idle))
    rows = []
    for turn in range(3):
        for run in (old, new):
            make_bundles(bench, run, 1000, count + 1000 * turn)
        rows.append([figure for run in (old, new) for figure in harvest_push(bench, run)[:2]])
        shutil.rmtree(new)
    beside, beside_cpu, alone, alone_cpu = [statistics.median(column) for column in zip(*rows)]
    print("1,000 new ones: %.2f s, CPU %.2f s there; %.2f s, CPU %.2f s in a run of their own (medians of 3)"
          % (beside, beside_cpu, alone, alone_cpu))
    shutil.rmtree(old)
    return {"first": [wall, cpu, rss], "idle": idle, "beside": [beside, beside_cpu], "alone": [alone, alone_cpu]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--parts", default="small,large,tick,many")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--large-mib", type=int, default=1024)
    parser.add_argument("--many", type=int, default=100000)
    parser.add_argument("--json")
    options = parser.parse_args()
    programs = {"rclone": "rclone", "awscli": "aws", "s3cmd": "s3cmd", "davix": "davix-put"}
    peers = [name for name, program in programs.items() if shutil.which(program)]
    for name in set(programs) - set(peers):
        print("not installed, left out:", name)
    folder = tempfile.mkdtemp(prefix="yoda-push-bench-")
    gateway = Gateway()
    try:
        bench = Bench(os.path.abspath(options.build), gateway, folder)
        results = {}
        parts = options.parts.split(",")
        if "small" in parts:
            results["small"] = compare(bench, options.small, 65536, options.repeat, peers)
            show("%d bundles of 64 KiB" % options.small, results["small"], ["rclone", "awscli", "s3cmd", "davix"])
        if "large" in parts:
            results["large"] = compare(bench, 1, options.large_mib << 20, options.repeat, peers)
            show("one bundle of %d MiB" % options.large_mib, results["large"], ["rclone", "awscli", "s3cmd"])
        if "tick" in parts:
            results["tick"] = tick(bench)
        if "many" in parts:
            results["many"] = many(bench, options.many)
        if options.json:
            with open(options.json, "w") as out:
                json.dump(results, out, indent=1)
    finally:
        gateway.close()
        shutil.rmtree(folder, ignore_errors=True)


main()
