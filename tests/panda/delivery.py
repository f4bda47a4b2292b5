#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What harvest push does beside sending bundles, as cron and people call it: job logs, outputs that are sent one by one and come
back, keys from PanDA, its words and its log. Real programs and servers, a fake PanDA.

    delivery.py BIN [NAME...]
"""
import json
import os
import pty
import re
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, final_state, finish, job, run_scenarios, scenario, tell  # noqa: E402

SCOPE = "mc16_13TeV"


def with_job_logs(world, **settings):
    """Job logs to a DAV server (grid storage) and to a Ceph gateway (the special object store)."""
    gateway = world.add_gateway()
    dav = world.serve("servers/nginx_dav.py")
    usual = {"store__pl__url": "http://%s/store/pl" % dav.ready["endpoint"],
             "store__logs__url": "s3+http://%s/joblogs" % gateway.ready["endpoint"], "store__logs__create_bucket": "yes",
             "store__logs__objstore_id": 118}
    usual.update(settings)
    world.write_config(**usual)
    return gateway, dav, usual


def get_logs(world, gateway, dav, name):
    """(from the grid storage, from the object store), by other clients than ours."""
    def get(*command):
        done = subprocess.run(command, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout if done.returncode == 0 else None
    by_boto = ("import boto3, sys; sys.stdout.buffer.write(boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')"
               ".get_object(Bucket='joblogs', Key=sys.argv[2])['Body'].read())")
    return (get("curl", "-sSf", "http://%s/store/pl/%s" % (dav.ready["endpoint"], name)),
            get("/usr/bin/python3", "-c", by_boto, "http://" + gateway.ready["endpoint"], name))


@scenario
def job_logs_reach_both_activities_and_until_then_the_job_is_holding(world):
    """The grid storage is full at first: the job waits in holding, whatever else is done; then its record is in the last update."""
    gateway, dav, settings = with_job_logs(world)
    task = world.make_task(file_count=1, events=40)
    panda_id = task["pandaIDs"][0]
    log = "log.40000001._000001.job.log.tgz.1"
    world.panda.tell("job_fields", PandaID=panda_id, logFile=log, scopeLog=SCOPE)
    run = fetch(world)
    with open(os.path.join(run, "job.json")) as file:
        guid = json.load(file)["jobs"][0]["logGUID"]  # Drawn by PanDA when it gives the job away.
    assert guid
    world.run_yoda(run)
    full = "--set=store.pl.url=http://%s/nowhere" % dav.ready["endpoint"]
    for tick in range(3):
        said = world.harvest("push", run, full, codes=(0, 3))
        told = tell(world, run, full)
        assert not told["all_ended"], told
    assert "507" in said, said
    assert job(world, panda_id)["states"][-1] == "holding", job(world, panda_id)["states"]
    assert world.panda.tell("counts")["events"] == {"finished": 40}  # Done when the job is.
    here = get_logs(world, gateway, dav, log)
    assert here[0] is None and here[1], "only the special store has it by now"
    # It has room again.
    finish(world, run)
    state, columns = final_state(world, panda_id)
    assert state == "finished", (state, columns)
    assert "finished" not in job(world, panda_id)["states"][:-1]
    grid, special = get_logs(world, gateway, dav, log)
    assert grid and grid == special, "another tarball in each place"
    names = subprocess.run(["tar", "-tzf", "-"], input=grid, check=True, stdout=subprocess.PIPE).stdout.decode()
    assert "tarball_PandaJob_%d/yoda.log" % panda_id in names, names
    update = [call[1] for call in world.panda.tell("log")["log"] if call[0] == "updateJob"][-1]
    record = json.loads(update["xml"])
    assert list(record) == [log], record
    assert record[log] == {"guid": guid, "fsize": len(grid), "adler32": "%08x" % zlib.adler32(grid), "surl": record[log]["surl"]}
    assert record[log]["surl"].endswith("/store/pl/" + log), record
    assert "logBucketID=118" in columns["jobMetrics"], columns
    # What was sent is not kept.
    world.harvest("push", run)
    assert [names for _, _, names in os.walk(os.path.join(run, "upload")) if names] == []


@scenario
def a_job_log_that_cannot_be_made_is_given_up_with_a_reason_and_the_job_ends(world):
    """Something is in the way of the tarball. Its 55 minutes pass by the stage record's own clock, set back here."""
    with_job_logs(world)
    task = world.make_task(file_count=1, events=10)
    panda_id = task["pandaIDs"][0]
    world.panda.tell("job_fields", PandaID=panda_id, logFile="log.tgz", outFiles="HITS.root,log.tgz")
    run = fetch(world)
    world.run_yoda(run)
    with open(os.path.join(run, "upload"), "w") as file:
        file.write("no folder")
    for tick in range(3):
        world.harvest("push", run, codes=(0, 3))
        tell(world, run)
    assert job(world, panda_id)["states"][-1] == "holding"
    for name in ("log.tgz", "special.log.tgz"):
        path = os.path.join(run, "stage", "open", name + ".json")
        with open(path) as file:
            record = json.load(file)
        assert record["stage"] == "sealed" and "upload" in record["reason"], record
        record["sealed_unix_s"] -= 56 * 60
        with open(path, "w") as file:
            json.dump(record, file)
    said = world.harvest("push", run, codes=(3,))
    assert "given up" in said and "within 55 min" in said, said
    finish(world, run)
    assert final_state(world, panda_id)[0] == "finished"
    with open(os.path.join(run, "stage", "done", "log.tgz.json")) as file:
        record = json.load(file)
    assert record["stage"] == "lost" and "within 55 min; the last try" in record["reason"], record


@scenario
def outputs_that_were_sent_one_by_one_come_back_for_the_merge(world):
    gateway = world.add_gateway()
    world.write_config(store__es_events__url="s3+http://%s/outputs" % gateway.ready["endpoint"],
                       store__es_events__create_bucket="yes", push__single_objects="yes", yoda__bundle__size="4 KB")
    world.make_task(file_count=2, events=60)
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("merge", run, "-o", world.path("before.tar"))
    finish(world, run)
    world.harvest("push", run)
    left = [name for name in os.listdir(os.path.join(run, "bundles")) if name.endswith(".tar")]
    assert left == [], left
    assert "--fetch" in world.harvest("merge", run, "-o", world.path("none.tar"), codes=(2, 3, 4))
    said = world.harvest("merge", run, "-o", world.path("after.tar"), "--fetch")
    assert "bundles fetched back" in said, said
    with open(world.path("before.tar"), "rb") as before, open(world.path("after.tar"), "rb") as after:
        assert before.read() == after.read()


@scenario
def the_log_of_push_is_begun_anew_at_its_size(world):
    world.make_task(file_count=1, events=200)
    os.mkdir(world.path("logs"))
    limit = 8000
    world.write_config(log__file=world.path("logs", "push.log"), log__size="%d B" % limit, yoda__bundle__size="1 KB")
    run = fetch(world)
    world.run_yoda(run)
    os.rmdir(world.path("store"))
    written = 0
    for tick in range(60):
        world.harvest("push", run, codes=(3,))
        sizes = {name: os.path.getsize(world.path("logs", name)) for name in os.listdir(world.path("logs"))}
        assert all(size <= limit for size in sizes.values()), sizes
        if sorted(sizes) == ["push.1.log", "push.2.log", "push.log"]:
            written += 1
        if written > 20:
            break
    else:
        raise AssertionError("never begun anew: %s" % sizes)
    for name in sizes:
        with open(world.path("logs", name)) as file:
            for line in file:
                assert re.match(r"\d{4}-\d\d-\d\dT.* (info|warning|error) \w+", line), "cut: " + line


def call(world, *words, terminal=False):
    """(exit code, stdout, stderr) of harvest; on a terminal both are the screen."""
    command = [os.path.join(world.bin, "harvest"), *words, "--config", world.config]
    if not terminal:
        done = subprocess.run(command, env=world.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr
    ours, screen = pty.openpty()
    process = subprocess.Popen(command, env=world.environment, stdin=screen, stdout=screen, stderr=screen)
    os.close(screen)
    seen = b""
    try:
        while piece := os.read(ours, 1 << 16):
            seen += piece
    except OSError:
        pass  # Nobody has the terminal open any more.
    os.close(ours)
    return process.wait(), seen.decode(), ""


@scenario
def cron_hears_nothing_when_all_is_well_and_one_line_else(world):
    world.make_task(file_count=1, events=100)
    world.write_config(yoda__bundle__size="2 KB")
    run = fetch(world)
    world.run_yoda(run)
    os.rename(world.path("store"), world.path("away"))
    code, out, err = call(world, "push", run)
    assert code == 3 and out.count("\n") == 1 and "is not there" in out and err, (code, out, err)
    os.rename(world.path("away"), world.path("store"))
    code, out, err = call(world, "push", run, "--json")
    said = json.loads(out)
    assert code == 0 and said["verified_count"] == said["found_count"] > 2 and err == "", (code, out, err)
    tell(world, run)
    assert call(world, "push", run) == (0, "", ""), "cleaned, and nothing said"
    assert call(world, "push", run) == (0, "", ""), "nothing to do"
    code, out, err = call(world, "push", world.path("nowhere"))
    assert code == 2 and out == "" and "no such folder" in err, (code, out, err)


@scenario
def a_person_sees_a_bar_and_one_line(world):
    world.make_task(file_count=1, events=100)
    world.write_config(yoda__bundle__size="2 KB")
    run = fetch(world)
    world.run_yoda(run)
    code, screen, _ = call(world, "push", run, terminal=True)
    assert code == 0 and re.search(r"\[#+\.*\] \d+ of \d+ files, .* MB", screen), (code, screen)
    last = screen.strip().split("\r")[-1]
    assert re.search(r"push: (\d+) of \1 files verified", last), screen


@scenario
def keys_that_panda_gives_stay_in_memory(world):
    gateway = world.add_gateway()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del world.environment[name]
    world.panda.tell("keys", **{"store.pub": gateway.ready["access"], "store.priv": gateway.ready["secret"]})
    world.write_config(store__es_events__url="s3+http://%s/bundles" % gateway.ready["endpoint"],
                       store__es_events__create_bucket="yes", store__es_events__panda_public_key="store.pub",
                       store__es_events__panda_private_key="store.priv", log__file=world.path("log"))
    world.make_task(file_count=1, events=40)
    run = fetch(world)
    world.run_yoda(run)
    said = world.harvest("push", run, "--verbose", "--set=store.es_events.panda_private_key=nokey", codes=(3,))
    assert "nokey" in said, said
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 40}
    searched = 0
    for folder, _, names in os.walk(world.folder):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            searched += 1
            assert gateway.ready["secret"].encode() not in text and b"Signature=" not in text, os.path.join(folder, name)
    assert searched > 20


@scenario
def outputs_are_sent_one_by_one_whatever_their_names_are(world):
    """One that begins with a dot, one that is not UTF-8; and a range whose output can never be sent ends at once."""
    gateway = world.add_gateway()
    world.write_config(store__es_events__url="s3+http://%s/outputs" % gateway.ready["endpoint"],
                       store__es_events__create_bucket="yes", push__single_objects="yes", yoda__bundle__size="4 KB")
    world.make_task(file_count=1, events=20)
    program = world.path("odd_names.py")
    with open(program, "w") as file:
        file.write("#!/usr/bin/python3\nimport os, sys\nsys.path.insert(0, %r)\nimport yoda_payload\n"
                   "def work(range, output):\n"
                   "    if range.first == 7:\n"
                   "        open(%r, 'a').write('tried\\n')\n"
                   "        names = ['n' * (236 - len(range.id) - 1)]\n"
                   "    else:\n"
                   "        names = ['hits', '.hidden', os.fsdecode(b'caf\\xe9')]\n"
                   "    for name in [yoda_payload.out_lfn()] + names:\n"
                   "        open(output.file(name), 'w').write('%%s of %%s' %% (ascii(name), range.id))\n"
                   "sys.exit(yoda_payload.Kit().run(work))\n" % (world.bin, world.path("tries")))
    os.chmod(program, 0o755)
    run = fetch(world, payload=world.write_payload("odd", channel="worker", executable=program, output="opaque"))
    world.run_yoda(run, codes=(0, 1))
    with open(world.path("tries")) as file:
        assert file.read() == "tried\n", "a range that can never be sent is tried once"
    world.harvest("merge", run, "-o", world.path("before.tar"), "--partial")
    finish(world, run)
    with open(os.path.join(run, "status.json")) as file:
        status = json.load(file)
    assert status["ranges"]["fatal"] == 1 and "more than 230 bytes" in status["failures"][0]["why"], status
    script = ("import boto3, sys; print('\\n'.join(o['Key'] for o in boto3.client('s3', endpoint_url=sys.argv[1], "
              "region_name='us-east-1').list_objects_v2(Bucket='outputs')['Contents']))")
    keys = subprocess.run(["/usr/bin/python3", "-c", script, "http://" + gateway.ready["endpoint"]], check=True,
                          env=world.environment, stdout=subprocess.PIPE, text=True).stdout.split()
    for stem in ("HITS.40000001._000001.pool.root.1.", "hits.", ".hidden.", "caf%E9."):
        assert sum(key.startswith(stem) for key in keys) == 19, (stem, keys)
    assert len(keys) == 4 * 19, keys
    world.harvest("push", run)
    world.harvest("merge", run, "-o", world.path("after.tar"), "--partial", "--fetch")
    with open(world.path("before.tar"), "rb") as before, open(world.path("after.tar"), "rb") as after:
        assert before.read() == after.read()


if __name__ == "__main__":
    run_scenarios()
