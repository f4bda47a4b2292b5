#!/usr/bin/python3
"""OpenStack Swift with its S3 front (s3api) on loopback: a second, independent S3 server; up in about 10 s.

Ready line: endpoint, access, secret. Debian: swift-proxy swift-account swift-container swift-object.
"""
import getpass
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from server_host import Host, free_port, serve, wait_until

host = Host("swift")
ACCESS, SECRET = "test:harvest", "swiftsecret0123456789"
PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
log_level = WARNING
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth slo versioned_writes symlink proxy-server
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
allow_multipart_uploads = true
max_upload_part_num = 10000
min_segment_size = 5242880
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_harvest = {secret} .admin
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
"""
SERVER = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
log_level = WARNING
fallocate_reserve = 0
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def answers(port):
    import http.client
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().getheader("X-Trans-Id") is not None
    except OSError:
        return False


def bring_up():
    etc, devices = host.path("etc"), host.path("devices")
    for folder in (etc, devices + "/sdb1"):
        os.makedirs(folder)
    with open(etc + "/swift.conf", "w") as out:
        out.write("[swift-hash]\nswift_hash_path_suffix = a\nswift_hash_path_prefix = b\n"
                  "[storage-policy:0]\nname = one\ndefault = yes\n")
    environment = dict(os.environ, SWIFT_DIR=etc)
    user = getpass.getuser()
    for name in ("account", "container", "object"):
        port = free_port()
        builder = "%s/%s.builder" % (etc, name)
        host.run(["swift-ring-builder", builder, "create", "4", "1", "0"], env=environment)
        host.run(["swift-ring-builder", builder, "add", "--region", "1", "--zone", "1", "--ip", "127.0.0.1", "--port",
                  str(port), "--device", "sdb1", "--weight", "1"], env=environment)
        host.run(["swift-ring-builder", builder, "rebalance"], env=environment)
        with open("%s/%s.conf" % (etc, name), "w") as out:
            out.write(SERVER.format(port=port, user=user, etc=etc, devices=devices, name=name))
        host.start(name, ["swift-%s-server" % name, "%s/%s.conf" % (etc, name), "-v"], env=environment)
    proxy_port = free_port()
    with open(etc + "/proxy.conf", "w") as out:
        names = ("catch_errors", "gatekeeper", "listing_formats", "symlink", "slo")
        out.write(PROXY.format(port=proxy_port, user=user, etc=etc, secret=SECRET) +
                  "".join("[filter:%s]\nuse = egg:swift#%s\n" % (name, name) for name in names))
    process = host.start("proxy", ["swift-proxy-server", etc + "/proxy.conf", "-v"], env=environment)
    wait_until("swift", lambda: answers(proxy_port), process, log=host.path("proxy.out"))
    return {"endpoint": "127.0.0.1:%d" % proxy_port, "access": ACCESS, "secret": SECRET}


serve(host, bring_up, {})
