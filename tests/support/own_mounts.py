# SPDX-License-Identifier: Apache-2.0
"""A mount namespace for a test: disks that it mounts vanish with it, however it ends."""
import os
import subprocess
import sys

IN_NAMESPACE = "YODA_TEST_IN_NAMESPACE"


def enter():
    """Starts this script anew in a namespace of its own. False where none can be made; True when in one."""
    if os.environ.get(IN_NAMESPACE):
        return True
    works = subprocess.run(["unshare", "--mount", "--propagation", "private", "true"], stderr=subprocess.DEVNULL)
    if works.returncode == 0:
        os.environ[IN_NAMESPACE] = "yes"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    return False


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def mount_memory(folder, megabytes):
    """A small disk of memory."""
    mount("-t", "tmpfs", "-o", "size=%dm" % megabytes, "tmpfs", folder)


def unmount(folder):
    subprocess.run(["umount", "-l", folder])
