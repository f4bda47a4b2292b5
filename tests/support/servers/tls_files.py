# SPDX-License-Identifier: Apache-2.0
"""Certificates for servers of tests: an authority, a server's for localhost, another authority, an expired one, a user's."""
import os
import subprocess


def _run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _authority(folder, name, *dates):
    key, cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".crt")
    request = os.path.join(folder, name + ".csr")
    extensions = os.path.join(folder, name + ".ext")
    with open(extensions, "w") as out:
        out.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
    _run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/O=yoda tests/CN=" + name, "-keyout", key, "-out", request)
    _run("openssl", "x509", "-req", "-in", request, "-signkey", key, "-extfile", extensions, "-out", cert,
         *(dates or ("-days", "30")))
    return key, cert


def _signed(folder, name, subject, ca_key, ca_cert, extensions):
    key, cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".crt")
    request, ext = os.path.join(folder, name + ".csr"), os.path.join(folder, name + ".ext")
    with open(ext, "w") as out:
        out.write(extensions)
    _run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", subject, "-keyout", key, "-out", request)
    _run("openssl", "x509", "-req", "-in", request, "-CA", ca_cert, "-CAkey", ca_key, "-CAcreateserial",
         "-days", "30", "-extfile", ext, "-out", cert)
    return key, cert


def make(folder):
    """-> paths: ca, server_key, server_cert, server_pem, other_ca, expired_ca, user_pem (key and certificate)."""
    folder = os.path.join(folder, "tls")
    os.makedirs(folder, exist_ok=True)
    ca_key, ca = _authority(folder, "ca")
    _, other_ca = _authority(folder, "other-ca")
    # The same key and name, but its time is over: what an unrenewed CA bundle on a login node looks like.
    expired = os.path.join(folder, "expired-ca.crt")
    _run("openssl", "x509", "-req", "-in", os.path.join(folder, "ca.csr"), "-signkey", ca_key, "-extfile",
         os.path.join(folder, "ca.ext"), "-days", "-1", "-out", expired)
    key, cert = _signed(folder, "server", "/O=yoda tests/CN=localhost", ca_key, ca,
                        "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
    user_key, user_cert = _signed(folder, "user", "/O=yoda tests/CN=user", ca_key, ca, "extendedKeyUsage=clientAuth\n")
    paths = {"ca": ca, "server_key": key, "server_cert": cert, "other_ca": other_ca, "expired_ca": expired}
    for name, parts in (("server_pem", (key, cert)), ("user_pem", (user_cert, user_key))):
        paths[name] = os.path.join(folder, name.replace("_", "."))
        with open(paths[name], "w") as out:
            for part in parts:
                out.write(open(part).read())
        os.chmod(paths[name], 0o600)
    return paths


def _rsa(folder, name, subject, issuer, extensions):
    """RSA, as grid middleware wants it; issuer: (key, certificate) or None for itself."""
    key, cert, request, ext = (os.path.join(folder, name + "." + kind) for kind in ("key", "crt", "csr", "ext"))
    with open(ext, "w") as out:
        out.write(extensions)
    _run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", key, "-out", request)
    signer = ["-CA", issuer[1], "-CAkey", issuer[0], "-CAcreateserial"] if issuer else ["-signkey", key]
    _run("openssl", "x509", "-req", "-in", request, *signer, "-days", "30", "-extfile", ext, "-out", cert)
    return key, cert


def make_grid(folder):
    """A grid's X.509: -> paths: ca_dir (authorities by hash), host_key, host_cert, proxy (a user's), proxy_of_others (of an
    authority that ca_dir does not have)."""
    folder = os.path.join(folder, "grid")
    ca_dir = os.path.join(folder, "certificates")
    os.makedirs(ca_dir)
    paths = {"ca_dir": ca_dir}
    for whose in ("ours", "others"):
        authority = _rsa(folder, whose, "/O=yoda grid/CN=authority of " + whose, None,
                         "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
        usage = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
        user = _rsa(folder, "user-of-" + whose, "/O=yoda grid/CN=user of " + whose, authority, usage)
        proxy = _rsa(folder, "proxy-of-" + whose, "/O=yoda grid/CN=user of %s/CN=12345" % whose, user,
                     "keyUsage=critical,digitalSignature,keyEncipherment\nproxyCertInfo=critical,language:id-ppl-inheritAll\n")
        path = os.path.join(folder, "x509up-of-" + whose)
        with open(path, "w") as out:
            for part in (proxy[1], proxy[0], user[1]):
                out.write(open(part).read())
        os.chmod(path, 0o600)
        if whose == "ours":
            host = _rsa(folder, "host", "/O=yoda grid/CN=localhost", authority, usage + "subjectAltName=DNS:localhost\n")
            paths.update(host_key=host[0], host_cert=host[1], proxy=path)
            name = subprocess.run(["openssl", "x509", "-noout", "-hash", "-in", authority[1]], check=True,
                                  stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
            os.link(authority[1], os.path.join(ca_dir, name + ".0"))
        else:
            paths["proxy_of_others"] = path
    return paths
