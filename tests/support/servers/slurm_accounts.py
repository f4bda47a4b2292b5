# SPDX-License-Identifier: Apache-2.0
"""Slurm's accounting for tests: munged, a database and slurmdbd, which several clusters of slurm.py share.

Only with it do --clusters (-M) and sacct work: the commands ask slurmdbd for the address of the named cluster.
"""
import os
import shutil

import server_host

PROGRAMS = ("slurmdbd", "mariadbd", "sacctmgr")
CONFIGURATION = """\
AuthType=auth/munge
AuthInfo=socket={munge}
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
StorageLoc=slurm_acct_db
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def reason_to_skip():
    for program in PROGRAMS:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return "%s is not installed" % program
    return None


def start_munge(host, environment):
    """Returns its socket."""
    os.mkdir(host.path("munge"), 0o755)
    with open(host.path("munge", "key"), "wb") as file:
        os.chmod(host.path("munge", "key"), 0o600)
        file.write(os.urandom(1024))
    at = host.path("munge", "socket")
    host.start("munged", ["munged", "--foreground", "--force", "--key-file=" + host.path("munge", "key"),
                          "--socket=" + at, "--pid-file=" + host.path("munge", "pid"),
                          "--log-file=" + host.path("munge", "log"), "--seed-file=" + host.path("munge", "seed")],
               env=environment)
    server_host.wait_until("munged", lambda: os.path.exists(at), host.processes["munged"], 30)
    return at


class Accounts:
    def __init__(self):
        self.host = server_host.Host("accounts")
        self.port = server_host.free_port()
        self.munge_socket = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def start(self):
        os.chmod(self.host.folder, 0o755)
        environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin",
                           SLURM_CONF=self.host.path("slurm.conf"))
        self.munge_socket = start_munge(self.host, environment)
        database_port = server_host.free_port()
        data = self.host.path("database")
        os.mkdir(data)  # Empty: with its grants off the database needs no tables of its own.
        self.host.start("mariadbd", ["mariadbd", "--no-defaults", "--user=root", "--datadir=" + data,
                                     "--bind-address=127.0.0.1", "--port=%d" % database_port, "--skip-grant-tables",
                                     "--socket=" + self.host.path("database.socket"),
                                     "--innodb-flush-log-at-trx-commit=0"], env=environment)
        server_host.wait_until("mariadbd", lambda: server_host.port_answers(database_port),
                               self.host.processes["mariadbd"], 60, self.host.path("mariadbd.out"))
        with open(self.host.path("slurmdbd.conf"), "w") as file:
            os.chmod(self.host.path("slurmdbd.conf"), 0o600)
            file.write(CONFIGURATION.format(munge=self.munge_socket, port=self.port, database_port=database_port,
                                            folder=self.host.folder))
        # slurmdbd looks for its file beside this one, and wants it to be there.
        with open(self.host.path("slurm.conf"), "w") as file:
            file.write("ClusterName=none\nSlurmctldHost=localhost\n")
        self.host.start("slurmdbd", ["slurmdbd", "-D"], env=environment)
        server_host.wait_until("slurmdbd", lambda: server_host.port_answers(self.port),
                               self.host.processes["slurmdbd"], 60, self.host.path("slurmdbd.out"))

    def settings(self):
        """Lines of a cluster's slurm.conf."""
        return ("AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
                "AccountingStoragePort=%d\nAccountingStoragePass=%s\n" % (self.port, self.munge_socket))

    def close(self):
        self.host.close()
