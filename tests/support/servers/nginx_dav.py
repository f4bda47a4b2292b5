#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nginx as a WebDAV server on loopback, plain and with TLS. Ready line: endpoint, tls_endpoint, ca, root (the folder it
serves as /store), token (demanded below /token/ as a bearer token), user_pem (a certificate that /cert/ demands)."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_files
from server_host import Host, free_port, port_answers, serve, wait_until

host = Host("nginx")
port, tls_port = free_port(), free_port()
TOKEN = "dav-token-0123456789abcdef"


def bring_up():
    tls = tls_files.make(host.folder)
    root = host.path("root")
    for folder in ("root/store", "root/token", "root/cert", "tmp"):
        os.makedirs(host.path(folder))
    modules = [path for path in ("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so",) if os.path.exists(path)]
    with open(host.path("nginx.conf"), "w") as out:
        out.write("".join("load_module %s;\n" % path for path in modules) + """
daemon off;
# One process: a worker would outlive a master that is killed.
master_process off;
{user}
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {folder}/tmp/body;
  proxy_temp_path {folder}/tmp/proxy;
  fastcgi_temp_path {folder}/tmp/fastcgi;
  uwsgi_temp_path {folder}/tmp/uwsgi;
  scgi_temp_path {folder}/tmp/scgi;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl;
    server_name localhost;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_client_certificate {ca};
    ssl_verify_client optional;
    root {root};
    dav_methods PUT DELETE MKCOL COPY MOVE;
    create_full_put_path on;
    location /token/ {{ if ($http_authorization != "Bearer {token}") {{ return 403; }} }}
    location /cert/ {{ if ($ssl_client_verify != SUCCESS) {{ return 403; }} }}
    location /nowhere/ {{ return 507; }}
  }}
}}
""".format(folder=host.folder, port=port, tls_port=tls_port, cert=tls["server_cert"], key=tls["server_key"], ca=tls["ca"], root=root,
           token=TOKEN, user="user root;" if os.geteuid() == 0 else ""))
    process = host.start("nginx", ["/usr/sbin/nginx", "-c", host.path("nginx.conf"), "-p", host.folder])
    wait_until("nginx", lambda: port_answers(port), process, log=host.path("error.log"))
    return {"endpoint": "127.0.0.1:%d" % port, "tls_endpoint": "localhost:%d" % tls_port, "ca": tls["ca"], "root": root,
            "token": TOKEN, "other_ca": tls["other_ca"], "user_pem": tls["user_pem"]}


serve(host, bring_up, {})
