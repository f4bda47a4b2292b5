#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A PandaProxy for tests: signs URLs of a real S3 server (by botocore) for jobs that show their secret (docs/reference/panda.md §2).

    panda_proxy.py HOST:PORT ACCESS SECRET PUBLIC_NAME PRIVATE_NAME

Ready line: url. Commands: job PANDAID SECRET | life SECONDS | shape json|nested|form | put BUCKET KEY PATH | asked (what was asked, without secrets)
"""
import http.server
import json
import os
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "servers"))
import boto3
import botocore.client
from server_host import Host, serve

endpoint, access, secret, public_name, private_name = sys.argv[1:6]
s3 = boto3.client("s3", endpoint_url="http://" + endpoint, aws_access_key_id=access, aws_secret_access_key=secret,
                  region_name="us-east-1", config=botocore.client.Config(signature_version="s3v4", s3={"addressing_style": "path"}))
METHODS = {"PUT": "put_object", "GET": "get_object", "HEAD": "head_object", "DELETE": "delete_object"}
state = {"life": 1800, "shape": "json"}
secrets = {}
asked = []


def sign(fields):
    if secrets.get(fields.get("pandaID")) != fields.get("secretKey"):
        return {"ErrorMsg": "wrong secret key for job " + fields.get("pandaID", "?")}
    if (fields.get("publicKey"), fields.get("privateKey")) != ("publicKey:" + public_name, "privateKey:" + private_name):
        return {"ErrorMsg": "no such keys"}
    url = urllib.parse.urlsplit(fields["url"])
    if url.scheme != "s3" or url.netloc != endpoint:
        return {"ErrorMsg": "cannot sign for " + fields["url"]}
    bucket, _, key = urllib.parse.unquote(url.path).lstrip("/").partition("/")
    asked.append({"PandaID": int(fields["pandaID"]), "method": fields.get("method", "PUT"), "key": key})
    return {"presignedURL": s3.generate_presigned_url(METHODS[fields.get("method", "PUT")], {"Bucket": bucket, "Key": key},
                                                      ExpiresIn=state["life"])}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        known = self.path == "/proxy/panda/getPresignedURL"
        said = sign(dict(urllib.parse.parse_qsl(body, keep_blank_values=True))) if known else {}
        text = json.dumps(said)
        if state["shape"] == "nested":
            text = json.dumps(text)
        elif state["shape"] == "form":
            text = urllib.parse.urlencode(said)
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json" if state["shape"] == "json" else "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def bring_up():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"url": "http://127.0.0.1:%d/proxy/panda" % server.server_address[1]}


serve(Host("panda-proxy"), bring_up, {
    "job": lambda panda_id, key: secrets.update({panda_id: key}),
    "life": lambda seconds: state.update(life=int(seconds)),
    "shape": lambda name: state.update(shape=name),
    "make-bucket": lambda bucket: s3.create_bucket(Bucket=bucket) and None,
    "put": lambda bucket, key, path: s3.upload_file(path, bucket, key),
    "keys": lambda bucket: {"keys": {o["Key"]: o["Size"] for o in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}},
    "asked": lambda: {"asked": asked},
})
