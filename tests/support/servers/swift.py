#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenStack Swift with its S3 door (s3api), one of each server on loopback: a second S3 server, written by other people.
Ready line: endpoint, access, secret. Debian: swift-proxy swift-account swift-container swift-object."""
import getpass
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_host import Host, free_port, port_answers, serve, wait_until

host = Host("swift")
ACCESS, SECRET = "test:harvest", "harvestsecret0123456789"
COMMON = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
log_level = WARNING
"""
STORAGE = """devices = {devices}
mount_check = false
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth slo versioned_writes symlink proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:symlink]
use = egg:swift#symlink
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
force_swift_request_proxy_log = false
allow_multipart_uploads = true
min_segment_size = 5242880
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
user_{user} = {secret} .admin
[filter:slo]
use = egg:swift#slo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
"""


def write(name, text):
    with open(host.path("etc", name), "w") as out:
        out.write(text)


def bring_up():
    for folder in ("etc", "d/sdb1"):
        os.makedirs(host.path(folder))
    etc = host.path("etc")
    os.environ["SWIFT_DIR"] = etc
    write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = yoda\nswift_hash_path_prefix = yoda\n"
                        "[storage-policy:0]\nname = one\ndefault = yes\n")
    ports = {}
    for name in ("account", "container", "object"):
        ports[name] = free_port()
        ring = host.path("etc", name + ".builder")
        for words in (["create", "4", "1", "0"], ["add", "--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port",
                                                  str(ports[name]), "--device", "sdb1", "--weight", "1"], ["rebalance"]):
            host.run(["swift-ring-builder", ring, *words])
        write(name + ".conf", COMMON.format(port=ports[name], user=getpass.getuser(), etc=etc) +
              STORAGE.format(devices=host.path("d"), name=name))
    ports["proxy"] = free_port()
    write("proxy.conf", COMMON.format(port=ports["proxy"], user=getpass.getuser(), etc=etc) +
          PROXY.format(user=ACCESS.replace(":", "_"), secret=SECRET))
    for name, port in ports.items():
        process = host.start(name, ["swift-%s-server" % name, host.path("etc", name + ".conf"), "-v"])
        wait_until("swift-" + name, lambda: port_answers(port), process, log=host.path(name + ".out"))
    return {"endpoint": "127.0.0.1:%d" % ports["proxy"], "access": ACCESS, "secret": SECRET}


serve(host, bring_up, {})
