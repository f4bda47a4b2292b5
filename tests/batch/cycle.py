#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest cycle, called again and again as cron would, until PanDA's table is complete: nothing lost, nothing twice,
nothing left behind. harvest is killed at random moments, so are jobs' processes; PanDA is down at times; two cycles run
at once. With Slurm the store is a real S3 gateway (Ceph), which is killed too, and so are Slurm's controller
and whole nodes under running jobs.

    cycle.py BIN local|slurm [--seed N]
"""
import argparse
import glob
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for part in ("", "../panda", "../support/servers"):
    sys.path.insert(0, os.path.join(HERE, part))
import batch_world as b  # noqa: E402
import loop_world  # noqa: E402
import slurm  # noqa: E402

# Whatever falls stays up for so long first, however fast the machine turns: a job must have a chance to start.
CONTROLLER_UP_S = 8
BETWEEN_KILLS_S = 2
# Longer than Slurm waits for a silent node (15 s): of one that is back sooner it finds out by chance, minutes later.
NODE_GONE_S = (18, 25)
BETWEEN_NODES_S = 40

SPOOL = """payload = {payload}
config = {config}
runs_max = 2
nodes_max = 3
disk_free = 1 MB
clean_after = 1 s
site.batch = {batch}
site.nodes_max = 2
site.walltime_max = 10 min
site.cores_per_node = 1
site.exclusive = no
site.overhead = 10 s
site.settle = 1 s
site.retry_after = 1 s
site.lost_after = 2 s
site.command_limit = 5 s
site.submissions_max = 1000
site.fruitless_max = 1000
site.yoda_arguments = --set payload.workers=1 --set status.interval=0.2 --set droid.silence=10
site.export = YODA_WATCH_S=1
site.export = YODA_GRACE_S=2
site.export = OMPI_ALLOW_RUN_AS_ROOT=1
site.export = OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"""


def processes(world):
    """{pid: command} of this world's jobs: they carry its TMPDIR."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/environ" % name, "rb") as file:
                mine = ("TMPDIR=" + world.path("tmp")).encode() in file.read().split(b"\0")
            with open("/proc/%s/cmdline" % name, "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
            with open("/proc/%s/stat" % name) as file:
                state = file.read().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            continue
        if mine and state != "Z" and int(name) != os.getpid():
            found[int(name)] = command
    return found


def kill_one(world):
    """A rank, a launcher, a payload or a job script, whichever is at hand."""
    victims = [pid for pid, command in processes(world).items()
               if "harvest" not in command and "slurm" not in command.split(" ")[0]]
    if victims:
        try:
            os.kill(world.dice.choice(sorted(victims)), signal.SIGKILL)
            return 1
        except ProcessLookupError:
            pass
    return 0


class Gateway:
    """The store of the spool: radosgw, with boto3 as an independent reader."""

    def __init__(self, world):
        self.server = loop_world.Server("servers/radosgw.py")
        world.servers.append(self.server)
        if "endpoint" not in self.server.ready:
            b.skip("no radosgw")
        ready = self.server.ready
        world.environment.update(AWS_ACCESS_KEY_ID=ready["access"], AWS_SECRET_ACCESS_KEY=ready["secret"])
        self.settings = {"store__es_events__url": "s3+http://%s/bundles" % ready["endpoint"],
                         "store__es_events__create_bucket": "yes"}
        self.world = world
        self.up = True

    def set(self, up):
        if up != self.up:
            self.server.tell("start-gateway" if up else "kill-gateway")
            self.up = up

    def bundles(self):
        """{name: bytes} of all objects; uploads that were cut are none, and none may be left."""
        ready = self.server.ready
        reader = loop_world.Server("servers/s3_reader.py", ready["endpoint"], ready["access"], ready["secret"])
        self.world.servers.append(reader)
        listed = reader.tell("list", "bundles")
        assert not listed["uploads"], "uploads left in the store: %s" % listed["uploads"]
        found = {}
        for key, sizes in listed["keys"].items():
            name = key.rpartition("/")[2]
            assert name not in found and len(sizes) == 1, "twice in the store: %s" % key
            with open(self.world.path("tmp", "key"), "w", newline="") as file:
                file.write(key)
            reader.tell("read", "bundles", self.world.path("tmp", "key"), self.world.path("tmp", "object"))
            with open(self.world.path("tmp", "object"), "rb") as file:
                found[name] = file.read()
        return found


class Weather:
    """PanDA, the store and the batch system go down and come back."""

    def __init__(self, world, gateway, cluster):
        self.world, self.gateway, self.cluster = world, gateway, cluster
        self.controller_is_up = True
        self.controller_since = time.monotonic()
        self.gone_node = self.lost_node = None
        self.node_back_at = 0
        self.count = {"PanDA": 0, "store": 0, "controller": 0, "nodes": 0}

    def set(self, panda, store, controller):
        self.world.panda.tell("up" if panda else "down")
        self.count["PanDA"] += not panda
        if self.gateway:
            self.count["store"] += self.gateway.up and not store
            self.gateway.set(store)
        if self.cluster and controller != self.controller_is_up:
            self.count["controller"] += not controller
            (self.cluster.start_controller if controller else self.cluster.stop_controller)()
            self.controller_is_up = controller
            self.controller_since = time.monotonic()

    def lose_node(self):
        """The power of a node goes while a job is at work on it; only one is ever away."""
        busy = [node for node in self.cluster.nodes
                if any("yoda" in command for command in self.cluster.payload_processes([node]).values())]
        if not busy:
            return
        self.gone_node = self.world.dice.choice(busy)
        self.node_back_at = time.monotonic() + self.world.dice.uniform(*NODE_GONE_S)
        self.lost_node = self.gone_node
        self.cluster.kill_node(self.gone_node)
        self.count["nodes"] += 1

    def bring_node_back(self):
        if self.gone_node:
            self.cluster.start_node(self.gone_node)
            self.gone_node = None

    def loss_is_unseen(self):
        """Whether Slurm still takes a job for running that died with its node: only a controller that stays up finds out."""
        if self.gone_node:
            return True
        if self.lost_node and self.controller_is_up and not self.cluster.payload_processes([self.lost_node]):
            return bool(self.cluster.run("squeue", "-h", "-t", "running", "-w", self.lost_node, check=False))
        return False

    def rough(self):
        dice = self.world.dice
        now = time.monotonic()
        if self.gone_node and now > self.node_back_at:
            self.bring_node_back()
        elif self.cluster and now > self.node_back_at + BETWEEN_NODES_S:
            self.lose_node()
        # The controller needs seconds to come back, and its nodes to report to it.
        may_fall = now - self.controller_since > CONTROLLER_UP_S and not self.loss_is_unseen()
        self.set(dice.random() > 0.2, dice.random() > 0.15,
                 (dice.random() > 0.15 or not may_fall) if self.controller_is_up else dice.random() > 0.4)

    def fair(self):
        self.bring_node_back()
        self.set(True, True, True)

    def check_limits(self, spool):
        """runs_max and nodes_max hold at any moment, whatever was killed."""
        runs = [name for name in os.listdir(spool) if os.path.exists(os.path.join(spool, name, "job.json")) and
                name.startswith("run-") and ".part" not in name and
                not os.path.exists(os.path.join(spool, name, "batch", "over"))]
        assert len(runs) <= 2, "more runs are open than runs_max: %s" % runs
        if self.cluster and self.controller_is_up:
            nodes = self.cluster.run("squeue", "-h", "-t", "pending,running", "-o", "%D", check=False).split()
            assert sum(int(count) for count in nodes) <= 3, "more nodes than nodes_max: %s" % nodes


def tick(world, spool, chance):
    code = world.call_or_kill("cycle", spool, "--json", chance=chance)
    if code == -9:
        return None
    assert code in (0, 3), "cycle: %s %s" % (code, world.last_output)
    return json.loads(world.last_output[world.last_output.index("{"):])


def test(world, batch, cluster=None):
    gateway = Gateway(world) if batch == "slurm" else None
    weather = Weather(world, gateway, cluster)
    world.write_config(fetch__jobs=2, fetch__chunk=40, yoda__bundle__size="40 KB", **(gateway.settings if gateway else {}))
    world.make_task(file_count=2, events=120, attempts=60, max_attempt=80, jobs=2)
    payload = world.write_payload()
    spool = world.path("runs")
    missing = world.start("cycle", spool)
    said = missing.communicate(timeout=60)[0]
    assert missing.returncode == 2 and "spool.cfg" in said, said
    with open(os.path.join(spool, "spool.cfg"), "w") as file:
        file.write("runs_max = 2\n")
    said = world.harvest("cycle", spool, codes=(2,))
    assert "payload (or fetch = no)" in said and "site (a file" in said, said
    with open(os.path.join(spool, "spool.cfg"), "w") as file:
        file.write(SPOOL.format(payload=payload, config=world.config, batch=batch))

    # Quietly first: two cycles at once, one works and the other is told; then rough weather.
    pair = [world.start("cycle", spool, "--json") for _ in range(2)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in pair]
    assert sum(summary["fetched"] for summary in said) == 1, said
    kills = rounds = 0
    kills_wanted = 60 if os.environ.get("YODA_LONG_TESTS") == "1" else 12
    limit_s = 200 if batch == "local" else 600
    deadline = time.monotonic() + limit_s
    rough_until = deadline - limit_s / 2
    last_kill = time.monotonic()
    summary = None
    while time.monotonic() < deadline:
        calm = set(world.panda.tell("counts")["events"]) == {"done"}
        now = time.monotonic()
        if calm or now > rough_until:
            weather.fair()
        else:
            weather.rough()
            if world.dice.random() < 0.5 and now - last_kill > BETWEEN_KILLS_S and kill_one(world):
                kills += 1
                last_kill = now
        if cluster and weather.controller_is_up:
            cluster.hurry()
        summary = tick(world, spool, 0 if calm else 0.7) or summary
        weather.check_limits(spool)
        enough = world.kill_count >= kills_wanted and kills >= 3 and (
            not cluster or (weather.count["controller"] >= 2 and weather.count["nodes"] >= 2))
        if calm and not enough and now < rough_until:
            # Enough is enough only when enough was killed.
            rounds += 1
            world.make_task(task=40000001 + rounds, file_count=1, events=120, attempts=60, max_attempt=80)
            continue
        runs = [name for name in os.listdir(spool) if name.startswith("run-") and not name.endswith(".fetch")]
        if calm and not runs and not processes(world):
            break
        if not runs and not processes(world) and summary and "no jobs" in summary.get("note", ""):
            # A fetch that was killed between PanDA's answer and its own journal: nobody but PanDA knows of that job, and
            # gives it up when nobody has started it for half an hour.
            world.panda.tell("advance", seconds=1900)
    else:
        for path in sorted(glob.glob(os.path.join(spool, "*", "logs", "y*.log")), key=os.path.getmtime)[-3:]:
            print(path, open(path, errors="replace").read()[-1500:], file=sys.stderr)
        print(world.panda.tell("counts"), world.states(), file=sys.stderr)
        raise AssertionError("not over in time: %s" % json.dumps(summary, indent=1)[-3000:])
    counts = world.panda.tell("counts")
    total = world.check_nothing_twice()
    assert counts["events"] == {"done": total}, counts["events"]
    world.check_merge_inputs(gateway.bundles() if gateway else world.stored_bundles())
    left = sorted(name for name in os.listdir(spool) if name != "spool.cfg" and not name.startswith("lock.draft."))
    assert all(name.endswith(".fetch") for name in left), left
    assert not processes(world), processes(world)
    assert not cluster or weather.count["nodes"], "no node was lost under a job: nothing was tried"
    print("%s: %d ranges done, %d calls of harvest, %d killed, %d processes of jobs killed, down: %s" %
          (batch, total, world.call_count, world.kill_count, kills, weather.count))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("batch", choices=("local", "slurm"))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.batch == "local":
        with loop_world.LoopWorld(options.bin, "cycle") as world:
            world.dice.seed(options.seed)
            test(world, "local")
    else:
        why = slurm.reason_to_skip()
        if why:
            b.skip(why)
        with slurm.Cluster(3, 1) as cluster:
            with loop_world.LoopWorld(options.bin, "cycle") as world:
                world.dice.seed(options.seed)
                for key, value in cluster.environment.items():
                    if key not in ("TMPDIR", "HOME"):
                        world.environment[key] = value
                test(world, "slurm", cluster)
    print("cycle: passed")


main()
