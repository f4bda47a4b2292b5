#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The smallest real Ceph with an S3 gateway: one monitor, one OSD in memory, one radosgw, on loopback; up in about 2 s.

Ready line: endpoint, tls_endpoint, ca, access, secret, access2, secret2 (another user), gateway_pid.
Commands: kill-gateway | start-gateway | stop-osd | continue-osd | set OPTION VALUE | quota BYTES|off | suspend | enable
Debian: ceph-mon ceph-osd radosgw ceph-common.
Settings that matter: ms_mon_client_mode = crc (radosgw demands *secure* else, impossible without keys, and hangs);
paxos_propose_interval (2 s a pool else); rgw_gc_obj_min_wait (overwritten data stays in memory for 2 h else).
"""
import os
import signal
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_files
from server_host import Host, free_port, serve, wait_until

os.environ["PATH"] += ":/usr/sbin:/sbin"
host = Host("radosgw")
conf = host.path("ceph.conf")
port, tls_port = free_port(), free_port()
KEYS = {"access": "harvestkey", "secret": "harvestsecret0123456789/+abcdefgh",
        "access2": "otherkey", "secret2": "othersecret0123456789/+abcdefghi"}


def ceph(*words):
    return host.run(["ceph", "-c", conf, "--connect-timeout", "5", *words])


def admin(*words):
    return host.run(["radosgw-admin", "-c", conf, *words])


def gateway_answers():
    import http.client
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        connection.request("GET", "/")
        return (connection.getresponse().getheader("x-amz-request-id") or "").startswith("tx")
    except OSError:
        return False


def start_gateway():
    process = host.start("rgw", ["radosgw", "-c", conf, "-n", "client.rgw", "-f"])
    wait_until("radosgw", gateway_answers, process, log=host.path("rgw.out"))
    return {"gateway_pid": process.pid}


def write_conf():
    mon2, mon1 = free_port(), free_port()
    fsid = str(uuid.uuid4())
    tls = tls_files.make(host.folder)
    text = """
[global]
fsid = {fsid}
mon_host = [v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
run_dir = {folder}/run
admin_socket = {folder}/run/$name.asok
pid_file =
crash_dir = {folder}/run
log_file = {folder}/$type.log
log_to_stderr = false
err_to_stderr = true
log_flush_on_exit = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_warn = 2
mon_data_avail_crit = 1
[mon]
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
mon_data = {folder}/mon
mon_cluster_log_file = {folder}/cluster.log
[osd]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = {capacity}
memstore_page_set = true
osd_op_queue_cut_off = high
osd_class_load_list = *
osd_class_default_list = *
[client]
rgw_data = {folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{port} ssl_endpoint=127.0.0.1:{tls_port} ssl_certificate={pem}
rgw_dns_name = localhost
rgw_thread_pool_size = 64
rgw_run_sync_thread = false
rgw_enable_usage_log = false
rgw_enable_ops_log = false
rgw_gc_obj_min_wait = 5
rgw_gc_processor_period = 5
debug_rgw = 1
""".format(fsid=fsid, mon1=mon1, mon2=mon2, folder=host.folder, capacity=4 << 30, port=port, tls_port=tls_port,
           pem=tls["server_pem"])
    with open(conf, "w") as out:
        out.write(text)
    return fsid, mon1, mon2, tls


def bring_up():
    for name in ("mon", "osd", "rgw", "run"):
        os.mkdir(host.path(name))
    fsid, mon1, mon2, tls = write_conf()
    host.run(["monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a",
              "[v2:127.0.0.1:%d,v1:127.0.0.1:%d]" % (mon2, mon1), host.path("monmap")])
    host.run(["ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", host.path("monmap"), "--keyring", "/dev/null"])
    mon = host.start("mon", ["ceph-mon", "-c", conf, "-i", "a", "-f"])

    def answers(*words, text=""):
        return lambda: text in subprocess.run(["ceph", "-c", conf, "--connect-timeout", "2", *words],
                                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                              universal_newlines=True).stdout

    wait_until("ceph-mon", answers("mon", "stat", text="quorum"), mon, log=host.path("mon.out"))
    osd_uuid = str(uuid.uuid4())
    ceph("osd", "new", osd_uuid, "0")
    host.run(["ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", osd_uuid, "--no-mon-config"])
    osd = host.start("osd", ["ceph-osd", "-c", conf, "-i", "0", "-f"])
    wait_until("ceph-osd", answers("osd", "stat", text="1 up"), osd, log=host.path("osd.out"))
    admin("user", "create", "--uid=harvest", "--display-name=harvest", "--access-key=" + KEYS["access"],
          "--secret=" + KEYS["secret"])
    gateway = start_gateway()
    return dict(KEYS, endpoint="127.0.0.1:%d" % port, tls_endpoint="localhost:%d" % tls_port, ca=tls["ca"],
                other_ca=tls["other_ca"], expired_ca=tls["expired_ca"], tls_wrong_name="127.0.0.1:%d" % tls_port,
                **gateway)


def quota(value):
    if value == "off":
        admin("quota", "disable", "--quota-scope=user", "--uid=harvest")
    else:
        admin("quota", "set", "--quota-scope=user", "--uid=harvest", "--max-size=" + value)
        admin("quota", "enable", "--quota-scope=user", "--uid=harvest")


def set_option(name, value):
    ceph("--admin-daemon", host.path("run", "client.rgw.asok"), "config", "set", name, value)


serve(host, bring_up, {
    "kill-gateway": lambda: host.kill("rgw"),
    "start-gateway": start_gateway,
    "stop-osd": lambda: host.kill("osd", signal.SIGSTOP),
    "continue-osd": lambda: host.kill("osd", signal.SIGCONT),
    "set": set_option,
    "quota": quota,
    "suspend": lambda: admin("user", "suspend", "--uid=harvest") and None,
    "enable": lambda: admin("user", "enable", "--uid=harvest") and None,
})
