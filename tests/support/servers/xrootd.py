#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""XRootD on root:// and http(s)://, with adler32. Ready line: root_endpoint, http_endpoint, https_endpoint, ca, root.
xrootd.py x509: demands a grid proxy on root:// (more: ca_dir, proxy, proxy_of_others). xrootd.py sss: demands a shared secret
(more: keytab, wrong_keytab).

xrootd cannot listen on one address only, so this expects to run in a network of its own (the test program makes one).
"""
import os
import pwd
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_files
from server_host import Host, free_port, port_answers, serve, wait_until

host = Host("xrootd")
port, http_port = free_port(), free_port()


def start():
    command = ["/usr/bin/xrootd", "-n", "test", "-c", host.path("xrd.cfg"), "-I", "v4"]
    if os.geteuid() == 0:
        command += ["-R", "xrootd"]  # it refuses to be root
    process = host.start("xrootd", command)
    wait_until("xrootd", lambda: port_answers(port) and port_answers(http_port), process, log=host.path("xrootd.out"))


def demand(what):
    """-> lines of the configuration, fields of the ready line."""
    if what == "x509":
        grid = tls_files.make_grid(host.folder)
        return """
xrootd.seclib libXrdSec.so
sec.protocol gsi -certdir:{ca_dir} -cert:{host_cert} -key:{host_key} -crl:0 -gmapopt:10 -moninfo:1
sec.protbind * only gsi
""".format(**grid), {name: grid[name] for name in ("ca_dir", "proxy", "proxy_of_others")}
    if what == "sss":
        keytabs = {}
        for name in ("keytab", "wrong_keytab"):
            keytabs[name] = host.path(name)
            host.run(["xrdsssadmin", "-k", "yoda", "-u", "harvest", "-g", "atlas", "add", keytabs[name]], stdin=subprocess.DEVNULL)  # else it asks whether to
        server = host.path("server_keytab")
        shutil.copy(keytabs["keytab"], server)
        os.chmod(server, 0o600)
        return "\nxrootd.seclib libXrdSec.so\nsec.protocol sss -s %s\nsec.protbind * only sss\n" % server, keytabs
    return "", {}


def bring_up():
    tls = tls_files.make(host.folder)
    for folder in ("root/store", "admin", "run"):
        os.makedirs(host.path(folder))
    security, fields = demand(sys.argv[1] if len(sys.argv) > 1 else "")
    with open(host.path("xrd.cfg"), "w") as out:
        out.write("""
xrd.port {port}
xrd.protocol http:{http_port} libXrdHttp.so
xrd.tls {cert} {key}
xrd.tlsca certfile {ca}
http.cert {cert}
http.key {key}
http.cafile {ca}
all.adminpath {folder}/admin
all.pidpath {folder}/run
oss.localroot {folder}/root
all.export /store
xrootd.chksum max 4 adler32 crc32 md5
ofs.persist auto hold 0
xrootd.async off
{security}
""".format(security=security, port=port, http_port=http_port, folder=host.folder, cert=tls["server_cert"], key=tls["server_key"], ca=tls["ca"]))
    if os.geteuid() == 0:
        user = pwd.getpwnam("xrootd")
        for top, folders, files in os.walk(host.folder):
            for name in [top] + [os.path.join(top, f) for f in folders + files]:
                os.chown(name, user.pw_uid, user.pw_gid)
        os.chmod(host.folder, 0o755)
    start()
    return {"root_endpoint": "localhost:%d" % port, "http_endpoint": "localhost:%d" % http_port,
            "https_endpoint": "localhost:%d" % http_port, "ca": tls["ca"], "root": host.path("root"), **fields}


serve(host, bring_up, {"kill": lambda: host.kill("xrootd"), "start": start})
