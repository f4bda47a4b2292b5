#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""boto3 as an independent reader of an S3 server: s3_reader.py HOST:PORT ACCESS SECRET

Commands: read BUCKET KEYFILE OUTFILE (the key is the content of KEYFILE) | list BUCKET (all versions' sizes by key, unfinished
uploads, metadata of the newest) | sums BUCKET (md5 of each object's bytes by key)
"""
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import boto3
import botocore.client
from server_host import Host, serve

endpoint, access, secret = sys.argv[1:4]
s3 = boto3.client("s3", endpoint_url="http://" + endpoint, aws_access_key_id=access, aws_secret_access_key=secret,
                  region_name="us-east-1", config=botocore.client.Config(s3={"addressing_style": "path"}))


def read(bucket, key_file, out_file):
    body = s3.get_object(Bucket=bucket, Key=open(key_file, newline="").read())["Body"]
    with open(out_file, "wb") as out:
        for piece in body.iter_chunks(1 << 20):
            out.write(piece)


def versions(bucket):
    keys = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            keys.setdefault(version["Key"], []).append(version["Size"])
    return keys


def list_all(bucket):
    uploads = [upload["Key"] for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
    return {"keys": versions(bucket), "uploads": uploads}


def sums(bucket):
    return {"sums": {key: hashlib.md5(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).hexdigest()
                     for key in versions(bucket)}}


serve(Host("s3-reader"), dict, {
    "read": read, "list": list_all, "sums": sums,
    "versioning": lambda bucket: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}) and None,
    "make-bucket": lambda bucket: s3.create_bucket(Bucket=bucket) and None,
})
