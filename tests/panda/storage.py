#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Inputs that are staged in from stores, and stores whose URLs PandaProxy signs: real programs, a real Ceph gateway and a real
DAV server, a fake PanDA.

    storage.py BIN [NAME...]
"""
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import xml.etree.ElementTree
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, final_state, finish, run_scenarios, scenario  # noqa: E402

SCOPE = "mc16_13TeV"


def take_inputs_away(world, folder):
    """The task's inputs are on no shared file system."""
    place = world.path(folder, "store", SCOPE) if folder != "gone" else world.path(folder)
    os.makedirs(place)
    names = sorted(os.listdir(world.path("inputs")))
    for name in names:
        shutil.move(world.path("inputs", name), os.path.join(place, name))
    return names


def pfns(run):
    with open(os.path.join(run, "job.json")) as file:
        return json.load(file)["jobs"][0]["inFilePaths"].split(",")


def put_into(url, name, data):
    subprocess.run(["curl", "-sSf", "-T", "-", url + "/" + name], input=data, check=True, stdout=subprocess.DEVNULL)


def rucio_name(name):
    digest = hashlib.md5(("%s:%s" % (SCOPE, name)).encode()).hexdigest()
    return "/".join((SCOPE, digest[:2], digest[2:4], name))


@scenario
def inputs_come_from_the_stores_in_order_of_preference_and_are_verified(world):
    """The first store has a damaged copy, the second is down, the third has it; a file that is there already is not fetched."""
    dav = world.serve("servers/nginx_dav.py")
    task = world.make_task(file_count=3, events=10)
    names = sorted(os.listdir(world.path("inputs")))
    wanted = {}
    for name in names:
        with open(world.path("inputs", name), "rb") as file:
            wanted[name] = file.read()
    put_into("http://%s/store" % dav.ready["endpoint"], rucio_name(names[0]), wanted[names[0]][:-1] + b"X")
    for name in names:
        os.makedirs(os.path.dirname(world.path("replica", rucio_name(name))), exist_ok=True)
    for name in names[:2]:
        shutil.move(world.path("inputs", name), world.path("replica", rucio_name(name)))
    world.write_config(input__stage_folder=world.path("staged"), input__try_time="1 s", log__file=world.path("log"),
                       store__input1__url="http://%s/store" % dav.ready["endpoint"], store__input1__rucio_paths="yes",
                       store__input2__url="http://127.0.0.1:9/store", store__input2__rucio_paths="yes",
                       store__input3__url="file://" + world.path("replica"), store__input3__rucio_paths="yes")
    run = fetch(world, "run", "--verbose")
    paths = pfns(run)
    assert paths == [world.path("staged", SCOPE, names[0]), world.path("staged", SCOPE, names[1]),
                     world.path("inputs", names[2])], paths
    for path in paths:
        with open(path, "rb") as file:
            assert file.read() == wanted[os.path.basename(path)], path
    assert sorted(os.listdir(world.path("staged", SCOPE))) == names[:2], "something is left over"
    with open(world.path("log")) as file:
        log = file.read()
    assert len(re.findall("input_is_wrong lfn=%s" % names[0], log)) == 1, log
    # Two tries at the store that is down, for each file.
    for name in names[:2]:
        assert len(re.findall("input_not_fetched lfn=%s.* from=http://127.0.0.1:9" % name, log)) == 2, log
    world.run_yoda(run)
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 30}
    # The next job finds them staged and verified.
    dav.close()
    world.servers.remove(dav)
    shutil.rmtree(world.path("replica"))
    again = world.panda.tell("task", task=40000002, files=[dict(lfn=n, events=5, fsize=len(wanted[n]), checksum="ad:%08x" % zlib.adler32(
        wanted[n])) for n in names])
    assert pfns(fetch(world, "again")) == paths, again


@scenario
def what_a_living_fetch_writes_is_no_leftover_whatever_this_machines_clock_says(world):
    world.make_task(file_count=1, events=10)
    name = take_inputs_away(world, "gone")[0]
    staged = world.path("staged", SCOPE)
    os.makedirs(staged)
    written, left = ("%s/.%s.%d.incoming" % (staged, name, pid) for pid in (99999, 99998))
    for path in (written, left):
        with open(path, "w") as file:
            file.write("half of")
    hour_s = 3600
    os.utime(left, (os.stat(left).st_atime, os.stat(left).st_mtime - 2 * hour_s))
    with open(world.path("clock"), "w") as file:
        file.write("%d" % (2 * hour_s))
    world.write_config(input__stage_folder=world.path("staged"), store__input1__url="file://" + world.path("gone"))
    world.environment.update(LD_PRELOAD=os.path.join(world.bin, "yoda_stepped_clock.so"), STEPPED_CLOCK=world.path("clock"))
    run = fetch(world, "run")
    del world.environment["LD_PRELOAD"]
    assert pfns(run) == [os.path.join(staged, name)]
    assert os.path.exists(written) and not os.path.exists(left), os.listdir(staged)
    assert len(os.listdir(staged)) == 2, os.listdir(staged)


@scenario
def a_file_is_fetched_first_where_panda_says_that_it_is(world):
    gateway = world.add_gateway()
    task = world.make_task(file_count=1, events=10)
    name = take_inputs_away(world, "gone")[0]
    os.makedirs(world.path("replica"))
    shutil.copy(world.path("gone", name), world.path("replica", name))
    proxy = world.serve("panda/panda_proxy.py", gateway.ready["endpoint"], gateway.ready["access"], gateway.ready["secret"], "p", "s")
    proxy.tell("make-bucket", "inputs")
    subprocess.run(["/usr/bin/python3", "-c", "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')"
                    ".upload_file(sys.argv[2], 'inputs', sys.argv[3])", "http://" + gateway.ready["endpoint"],
                    world.path("gone", name), name], check=True, env=world.environment)
    world.panda.tell("job_fields", PandaID=task["pandaIDs"][0], ddmEndPointIn="CEPH_DATADISK")
    world.write_config(input__stage_folder=world.path("staged"), log__file=world.path("log"),
                       store__input1__url="file://" + world.path("replica"),
                       store__input2__url="s3+http://%s/inputs" % gateway.ready["endpoint"], store__input2__name="CEPH_DATADISK")
    run = fetch(world, "run", "--verbose")
    assert pfns(run) == [world.path("staged", SCOPE, name)]
    with open(world.path("log")) as file:
        assert "input_staged_in lfn=%s from=CEPH_DATADISK" % name in file.read()


@scenario
def jobs_whose_inputs_cannot_be_staged_in_fail_with_the_reason(world):
    cases = [("too much", {"input__stage_limit": "10 B"}, 1099, "over 10 bytes"),
             ("nowhere", {"store__input1__url": "file://" + world.path("empty")}, 1099, ""),
             ("damaged", {"store__input1__url": "file://" + world.path("damaged")}, 1171, "adler32"),
             ("too short", {"store__input1__url": "file://" + world.path("short")}, 1175, "bytes"),
             ("no store", {"store__input1__url": None}, 1103, "nowhere to fetch it from")]
    for folder in ("empty", "damaged", "short"):
        os.makedirs(world.path(folder))
    for number, (what, settings, code, words) in enumerate(cases):
        task = world.make_task(task=40000050 + number, file_count=1, events=10)
        name = "EVNT.%d._000001.txt" % task["taskID"]
        with open(world.path("inputs", name), "rb") as file:
            data = file.read()
        for folder, content in (("damaged", data[:-1] + b"?"), ("short", data[:-1])):
            with open(world.path(folder, name), "wb") as file:
                file.write(content)
        os.remove(world.path("inputs", name))
        config = {"input__stage_folder": world.path("staged"), "input__try_time": "2 s",
                  "store__input1__url": "file://" + world.path("short")}
        config.update(settings)
        world.write_config(**{k: v for k, v in config.items() if v is not None})
        run = world.path("runs", "run-%d" % number)
        world.harvest("fetch", run, "--payload", world.write_payload(), "--task-id", str(task["taskID"]))
        world.harvest("fetch", "--resume", run)  # It stops after three of them.
        assert not os.path.exists(run), what
        state, columns = final_state(world, task["pandaIDs"][0])
        assert state == "failed" and int(columns["pilotErrorCode"]) == code, (what, columns)
        assert words in columns["pilotErrorDiag"] and name in columns["pilotErrorDiag"], (what, columns)
        staged = world.path("staged", SCOPE)
        assert not os.path.isdir(staged) or os.listdir(staged) == [], (what, os.listdir(staged))


@scenario
def a_transfer_that_takes_too_long_is_given_up_with_its_code(world):
    """The store accepts the connection and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        task = world.make_task(file_count=1, events=10)
        take_inputs_away(world, "gone")
        world.write_config(input__stage_folder=world.path("staged"), input__try_time="1 s",
                           store__input1__url="http://127.0.0.1:%d/x" % listening.getsockname()[1])
        world.harvest("fetch", world.path("runs", "run"), "--payload", world.write_payload())
    state, columns = final_state(world, task["pandaIDs"][0])
    assert (state, int(columns["pilotErrorCode"])) == ("failed", 1151), columns


@scenario
def jobs_that_allow_it_read_directly(world):
    direct = world.make_task(file_count=1, events=10, job_fields={"transferType": "direct"})
    copied = world.make_task(task=40000002, file_count=1, events=10)
    names = take_inputs_away(world, "gone")
    os.makedirs(world.path("replica"))
    for name in names:
        shutil.copy(world.path("gone", name), world.path("replica", name))
    world.write_config(input__stage_folder=world.path("staged"), input__direct_access="yes",
                       store__input1__url="root://door.example.org:1094//atlas", store__input1__rucio_paths="yes",
                       store__input2__url="file://" + world.path("replica"))
    # AthenaMP is told the URL as it is, by catalogue and with each range; nothing is copied, though the site copies.
    frames = world.path("frames")
    payload = world.write_payload("athenamp", channel="athenamp", executable=os.path.join(world.bin, "athenamp_mock"),
                                  output="opaque", stage_in="yes", environment="MOCK_RECORD=" + frames)
    run = fetch(world, "direct", "--task-id", str(direct["taskID"]), payload=payload)
    url = "root://door.example.org:1094//atlas/" + rucio_name(names[0])
    assert pfns(run) == [url], pfns(run)
    world.run_yoda(run)
    with open(frames) as file:
        told = re.findall(r'"PFN": "([^"]+)"', file.read())
    assert told == [url] * 10, told
    catalogue, = glob.glob(os.path.join(run, "logs", "payload_*.start_0", "PoolFileCatalog.xml"))
    named = [pfn.get("name") for pfn in xml.etree.ElementTree.parse(catalogue).getroot().iter("pfn")]
    assert named == [url], named
    for log in glob.glob(os.path.join(run, "logs", "*.log")):
        with open(log) as file:
            assert "input_copied" not in file.read(), log
    world.write_config(input__stage_folder=world.path("staged"), input__direct_access="yes",
                       store__input2__url="file://" + world.path("replica"))
    assert pfns(fetch(world, "copied", "--task-id", str(copied["taskID"]))) == [world.path("staged", SCOPE, names[1])]


@scenario
def panda_proxy_signs_what_goes_to_the_store(world):
    """Two jobs, each with its own secret; neither keys nor certificates on our side; every shape of the proxy's answer."""
    gateway = world.add_gateway()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del world.environment[name]
    proxy = world.serve("panda/panda_proxy.py", gateway.ready["endpoint"], gateway.ready["access"], gateway.ready["secret"],
                        "CERN_ObjectStoreKey.pub", "CERN_ObjectStoreKey")
    proxy.tell("make-bucket", "bundles")
    settings = {"fetch__jobs": 2, "fetch__chunk": 20, "yoda__bundle__size": "4 KB", "log__file": world.path("log"),
                "store__es_events__url": "s3+http://%s/bundles" % gateway.ready["endpoint"],
                "store__es_events__panda_proxy": proxy.ready["url"] + "/",
                "store__es_events__panda_public_key": "CERN_ObjectStoreKey.pub",
                "store__es_events__panda_private_key": "CERN_ObjectStoreKey"}
    world.write_config(**settings)
    task = world.make_task(file_count=1, events=60, jobs=2)
    secrets = {panda_id: "PROXYSECRET%d" % panda_id for panda_id in task["pandaIDs"]}
    for panda_id, secret in secrets.items():
        world.panda.tell("job_fields", PandaID=panda_id, pandaProxySecretKey=secret)
    run = fetch(world)
    world.run_yoda(run)
    # A proxy that does not know the jobs signs nothing, and says why.
    said = world.harvest("push", run, codes=(3,))
    assert "wrong secret key" in said and "PROXYSECRET" not in said, said
    for panda_id, secret in secrets.items():
        proxy.tell("job", str(panda_id), secret)
    for shape in ("nested", "form", "json"):
        proxy.tell("shape", shape)
        world.harvest("push", run, "--verbose", codes=(0, 3))
    finish(world, run)
    counts = world.panda.tell("counts")
    assert counts["events"] == {"done": 60}, counts
    keys = proxy.tell("keys", "bundles")["keys"]
    zips = {z["lfn"]: z["fsize"] for z in world.panda.tell("zips")["zips"]}
    assert keys == zips and len(keys) >= 2, (keys, zips)
    for entry in proxy.tell("asked")["asked"]:
        assert "_%d_" % entry["PandaID"] in entry["key"] or str(entry["PandaID"]) in entry["key"], entry
    # Signed URLs and secrets are nowhere but where they must be.
    for folder, _, names in os.walk(world.folder):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                text = file.read()
            assert b"X-Amz-Signature" not in text, path
            if b"PROXYSECRET" in text:
                assert os.stat(path).st_mode & 0o077 == 0, path


@scenario
def panda_proxy_signs_the_inputs_of_a_job_too(world):
    gateway = world.add_gateway()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del world.environment[name]
    proxy = world.serve("panda/panda_proxy.py", gateway.ready["endpoint"], gateway.ready["access"], gateway.ready["secret"], "p", "s")
    proxy.tell("make-bucket", "inputs")
    world.write_config(input__stage_folder=world.path("staged"), input__try_time="20 s", panda__timeout="20 s",
                       store__input1__url="s3+http://%s/inputs" % gateway.ready["endpoint"],
                       store__input1__panda_proxy=proxy.ready["url"], store__input1__panda_public_key="p",
                       store__input1__panda_private_key="s", log__file=world.path("log"))
    task = world.make_task(file_count=1, events=10)
    panda_id = task["pandaIDs"][0]
    world.panda.tell("job_fields", PandaID=panda_id, pandaProxySecretKey="PROXYSECRET1")
    name = take_inputs_away(world, "gone")[0]
    proxy.tell("put", "inputs", name, world.path("gone", name))
    # A proxy that does not know the job signs nothing: the job fails with that reason, which tells no secret.
    world.harvest("fetch", world.path("runs", "refused"), "--payload", world.write_payload())
    state, columns = final_state(world, panda_id)
    assert (state, columns["pilotErrorCode"]) == ("failed", "1099"), (state, columns)
    assert "wrong secret key" in columns["pilotErrorDiag"] and "PROXYSECRET" not in columns["pilotErrorDiag"], columns
    task = world.make_task(task=40000002, file_count=1, events=10)
    panda_id = task["pandaIDs"][0]
    world.panda.tell("job_fields", PandaID=panda_id, pandaProxySecretKey="PROXYSECRET2")
    proxy.tell("job", str(panda_id), "PROXYSECRET2")
    name = next(n for n in os.listdir(world.path("inputs")) if n.startswith("EVNT.40000002"))
    shutil.move(world.path("inputs", name), world.path("gone", name))
    proxy.tell("put", "inputs", name, world.path("gone", name))
    run = fetch(world, "run", "--verbose", "--task-id", str(task["taskID"]))
    assert pfns(run) == [world.path("staged", SCOPE, name)]
    with open(world.path("gone", name), "rb") as one, open(world.path("staged", SCOPE, name), "rb") as other:
        assert one.read() == other.read()
    assert {"PandaID": panda_id, "method": "GET", "key": name} in proxy.tell("asked")["asked"]
    with open(world.path("log")) as file:
        text = file.read()
    assert "input_staged_in" in text and "X-Amz-Signature" not in text and "PROXYSECRET" not in text
    assert os.stat(os.path.join(run, "panda", "secrets-%d.json" % panda_id)).st_mode & 0o077 == 0


@scenario
def a_proxy_without_encryption_or_names_of_keys_is_not_used(world):
    world.make_task(file_count=1, events=5)
    world.write_config()
    run = fetch(world)
    for settings, words in (({"store__es_events__panda_proxy": "http://proxy.example.org:25064/proxy/panda"}, "not encrypted"),
                            ({"store__es_events__panda_proxy": "https://proxy.example.org:25128/proxy/panda"}, "panda_public_key"),
                            ({"store__es_events__panda_proxy": "proxy"}, "no address")):
        lines = ["--set=%s=%s" % (key.replace("__", "."), value) for key, value in settings.items()]
        said = world.harvest("push", run, "--set=store.es_events.url=s3://store.example.org/b", *lines, codes=(2,))
        assert words in said, said


if __name__ == "__main__":
    run_scenarios()
