# SPDX-License-Identifier: Apache-2.0
"""A private Slurm cluster on one machine: munged, slurmctld and several slurmd, started and ended by this script.

  slurm.py [NODES [CORES]]      prints {"ready": true, "environment": {...}, ...}, then obeys: fault commands below

Each slurmd lives in its own UTS and mount namespace: its host name is n1..nN (Open MPI then really sees N hosts and
takes TCP between them), with its own /dev/shm and PMIx folder. Needs root and namespaces; reason_to_skip() says what
is missing.
"""
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import server_host  # noqa: E402
import slurm_accounts  # noqa: E402

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch", "unshare", "mpirun")
CONFIGURATION = """\
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={controller_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
{accounting}JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,defer_batch
StateSaveLocation={folder}/ctld
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
PlugStackConfig={folder}/plugstack.conf
ReturnToService=2
SlurmdTimeout=15
SlurmctldTimeout=20
InactiveLimit=0
KillWait=5
MessageTimeout=10
BatchStartTimeout=10
WaitTime=0
KillOnBadExit=0
EnforcePartLimits=ALL
JobRequeue=1
PropagateResourceLimits=NONE
"""
NODE = ("NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} Boards=1 SocketsPerBoard=1 "
        "CoresPerSocket={cores} ThreadsPerCore=1 RealMemory=1500 State=UNKNOWN\n")
# What a slurmd starts in: its own host name, /etc/hosts, shared memory and PMIx folder.
NODE_START = """\
set -e
hostname "$2"
mount --bind "$1/hosts" /etc/hosts
mount --bind "$1/pmix-$2" "$1/pmix"
mount -t tmpfs tmpfs /dev/shm
exec slurmd -D -N "$2" -f "$1/slurm.conf"
"""


def reason_to_skip():
    if os.geteuid() != 0:
        return "a cluster of its own needs root"
    for program in PROGRAMS:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            return "%s is not installed" % program
    tried = subprocess.run(["unshare", "--uts", "--mount", "--propagation", "private", "true"], stderr=subprocess.PIPE)
    if tried.returncode != 0:
        return "namespaces are not allowed: " + tried.stderr.decode(errors="replace").strip()
    return None


class Cluster:
    def __init__(self, nodes=3, cores=2, name="yodatest", accounts=None):
        """`accounts`: running slurm_accounts.Accounts that this cluster shares with others of another name."""
        self.name = name
        self.accounts = accounts
        self.host = server_host.Host("slurm")
        self.nodes = ["n%d" % number for number in range(1, nodes + 1)]
        self.cores = cores
        self.folder = self.host.folder
        self.environment = dict(os.environ)
        for name in list(self.environment):
            if name.startswith(("SLURM_", "SBATCH_", "OMPI_", "PMIX_")):
                del self.environment[name]
        self.environment["PATH"] += ":/usr/sbin:/sbin"
        self.environment["SLURM_CONF"] = self.path("slurm.conf")
        # There may be no network but loopback, and Open MPI leaves that out by itself.
        for name in ("btl_tcp_if_include", "oob_tcp_if_include"):
            self.environment["OMPI_MCA_" + name] = "lo"
        self.daemon_environment = dict(self.environment)

    def path(self, *parts):
        return self.host.path(*parts)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    # -- life

    def start(self):
        os.chmod(self.folder, 0o755)
        for name in ("ctld", "log", "pmix"):
            os.mkdir(self.path(name), 0o755)
        for node in self.nodes:
            os.mkdir(self.path("spool-" + node), 0o755)
            os.mkdir(self.path("pmix-" + node), 0o755)
        munge = self.accounts.munge_socket if self.accounts else slurm_accounts.start_munge(self.host, self.daemon_environment)
        accounting = self.accounts.settings() if self.accounts else "AccountingStorageType=accounting_storage/none\n"
        name = socket.gethostname().split(".")[0]
        with open(self.path("slurm.conf"), "w") as file:
            file.write(CONFIGURATION.format(name=self.name, host=name, folder=self.folder, munge=munge, accounting=accounting,
                                            controller_port=server_host.free_port()))
            pbs = self.spank_pbs()
            if pbs:
                file.write("JobSubmitPlugins=pbs\n")
            for number, _ in enumerate(self.nodes, 1):
                file.write(NODE.format(number=number, host=name, port=server_host.free_port(), cores=self.cores))
            file.write("PartitionName=batch Nodes=n[1-%d] Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP\n"
                       % len(self.nodes))
            # Only for jobs of one account, as centres have it.
            file.write("PartitionName=paid Nodes=n[1-%d] AllowAccounts=physics MaxTime=INFINITE State=UP\n"
                       % len(self.nodes))
        with open(self.path("plugstack.conf"), "w") as file:
            file.write("optional %s\n" % pbs if pbs else "")
        with open(self.path("mpi.conf"), "w") as file:
            file.write("PMIxCliTmpDirBase=%s\n" % self.path("pmix"))
        with open("/etc/hosts") as here, open(self.path("hosts"), "w") as file:
            file.write(here.read() + "\n127.0.0.1 %s\n" % " ".join(self.nodes))
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.wait_until("all nodes idle", lambda: self.idle_nodes() == len(self.nodes), 60)

    def start_controller(self):
        self.host.start("slurmctld", ["slurmctld", "-D", "-f", self.path("slurm.conf")], env=self.daemon_environment)

    def stop_controller(self):
        """With its state saved: a controller that has lost it needs minutes until its nodes have told it all."""
        self.host.kill("slurmctld", signal.SIGTERM)

    def start_node(self, node):
        self.host.start("slurmd-" + node, ["unshare", "--uts", "--mount", "--propagation", "private", "bash", "-c",
                                           NODE_START, "_", self.folder, node], env=self.daemon_environment)

    def kill_node(self, node):
        """As if its power had gone: everything in its namespace at once."""
        space = os.readlink("/proc/%d/ns/uts" % self.host.processes["slurmd-" + node].pid)
        killed = 0
        for _ in range(20):
            pids = self.processes_of(space)
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
            if not pids:
                break
            time.sleep(0.02)
        self.host.processes["slurmd-" + node].wait()
        return killed

    @staticmethod
    def processes_of(uts_space):
        found = []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.readlink("/proc/%s/ns/uts" % name) == uts_space:
                    with open("/proc/%s/stat" % name) as file:
                        if file.read().rpartition(")")[2].split()[0] != "Z":
                            found.append(int(name))
            except OSError:
                continue
        return found

    def step_processes(self):
        """Slurm's own on any node that look after a job or step: [pid]."""
        return [pid for pid, command in self.node_processes().items() if command.startswith("slurmstepd")]

    def payload_processes(self, nodes=None):
        """Processes on these nodes, else on any, besides Slurm's own: {pid: command line}."""
        return {pid: command for pid, command in self.node_processes(nodes).items()
                if not command.startswith(("slurmd", "/usr/sbin/slurmd", "slurmstepd"))}

    def node_processes(self, nodes=None):
        """Processes on these nodes, else on any, besides its slurmd: {pid: command line}."""
        found = {}
        for node in nodes or self.nodes:
            slurmd = self.host.processes["slurmd-" + node]
            if slurmd.poll() is not None:
                continue
            for pid in self.processes_of(os.readlink("/proc/%d/ns/uts" % slurmd.pid)):
                try:
                    with open("/proc/%d/cmdline" % pid, "rb") as file:
                        command = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
                except OSError:
                    continue
                if pid != slurmd.pid:
                    found[pid] = command
        return found

    def close(self):
        for node in self.nodes:
            process = self.host.processes.get("slurmd-" + node)
            if process and process.poll() is None:
                self.kill_node(node)
        self.host.close()

    # -- asking

    def run(self, *words, check=True, **options):
        done = subprocess.run(words, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, **options)
        if check and done.returncode != 0:
            raise RuntimeError("%s: %d %s %s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done.stdout.strip()

    def idle_nodes(self):
        return len(set(self.run("sinfo", "-h", "-N", "-t", "idle", "-o", "%N", check=False).split()))

    def job(self, job):
        """What scontrol knows of a job, as a dictionary; empty when it knows nothing."""
        text = self.run("scontrol", "-o", "show", "job", str(job), check=False)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def state(self, job):
        return self.job(job).get("JobState", "")

    def hurry(self):
        """Lets requeued jobs begin now: Slurm makes them wait for two minutes."""
        for job in self.run("squeue", "-h", "-t", "pending", "-o", "%i %r", check=False).splitlines():
            if job.endswith(" BeginTime"):
                self.run("scontrol", "update", "jobid=" + job.split()[0], "starttime=now", check=False)

    def wait_for_end(self, job, seconds=120):
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL")
        self.wait_until("job %s ended" % job, lambda: self.state(job) in ended, seconds)
        return self.state(job)

    def wait_until(self, what, condition, seconds=60):
        server_host.wait_until(what, condition, seconds=seconds)

    @staticmethod
    def spank_pbs():
        import glob
        found = glob.glob("/usr/lib/*/slurm-wlm/spank_pbs.so")
        return found[0] if found else None


def main():
    why = reason_to_skip()
    if why:
        print(json.dumps({"ready": False, "skip": True, "why": why}), flush=True)
        return
    cluster = Cluster(*(int(word) for word in sys.argv[1:3]))

    def bring_up():
        cluster.start()
        changed = {name: value for name, value in cluster.environment.items() if os.environ.get(name) != value}
        return {"environment": changed, "nodes": cluster.nodes, "user": getpass.getuser()}

    def start_controller():
        cluster.start_controller()

    server_host.serve(cluster.host, bring_up, {
        "kill_node": lambda node: {"killed": cluster.kill_node(node)},
        "start_node": cluster.start_node,
        "stop_controller": cluster.stop_controller,
        "start_controller": start_controller,
    })


if __name__ == "__main__":
    main()
