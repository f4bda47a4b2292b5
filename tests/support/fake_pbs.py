#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenPBS's commands without its server, in the words and exit codes that OpenPBS 23.06.06 was recorded with.

Pbs(folder) makes qsub, qstat, qselect and qdel in folder/bin, to be put first in PATH. Jobs wait until start(id); they
run on this machine. Modes (set them by mode()):
  history      the server keeps jobs that have ended ("job_history_enable"); without it, as installed, it forgets them,
               and -x answers well, empty, and with a word on its standard error, also of jobs that live
  down         nothing is answered
  lost_answer  the next qsub makes its job, but nobody hears so
  lost_call    the next qsub reaches nobody
"""
import json
import os
import signal
import subprocess
import sys

SERVER = "p0"
NO_HISTORY = "PBS is not configured to maintain job history"
UNKNOWN_CODE, FINISHED_CODE, SILENT_CODE = 153, 35, 162


class Pbs:
    def __init__(self, folder):
        self.folder = folder
        self.bin = os.path.join(folder, "bin")
        os.makedirs(self.bin)
        os.mkdir(os.path.join(folder, "jobs"))
        for name in ("qsub", "qstat", "qselect", "qdel"):
            with open(os.path.join(self.bin, name), "w") as file:
                file.write('#!/bin/sh\nexec /usr/bin/python3 "%s" "%s" %s "$@"\n'
                           % (os.path.abspath(__file__), folder, name))
            os.chmod(os.path.join(self.bin, name), 0o755)
        self.processes = {}
        self.mode()

    def mode(self, **modes):
        write(os.path.join(self.folder, "mode.json"), modes)

    def path_of(self, job):
        return os.path.join(self.folder, "jobs", job)

    def jobs(self):
        """By id, the oldest first; with those that history keeps."""
        found = [read(self.path_of(name)) for name in os.listdir(os.path.join(self.folder, "jobs"))]
        return {job["id"]: job for job in sorted(found, key=lambda job: int(job["id"].split(".")[0]))}

    def add(self, name, script="", number=None):
        """As qsub does; a number may be given, as a server that was set up anew gives old ones again."""
        if number is None:
            counter = os.path.join(self.folder, "next")
            number = int(open(counter).read()) if os.path.exists(counter) else 0
            with open(counter, "w") as file:
                file.write("%d" % (number + 1))
        job = {"id": "%d.%s" % (number, SERVER), "name": name, "state": "Q", "script": script, "pid": 0}
        write(self.path_of(job["id"]), job)
        return job["id"]

    def start(self, job, environment):
        """Runs the job's script as a job of one node."""
        known = read(self.path_of(job))
        nodes = os.path.join(self.folder, "nodes")
        with open(nodes, "w") as file:
            file.write("localhost\n")
        environment = dict(environment, PBS_JOBID=job, PBS_NODEFILE=nodes, PBS_O_WORKDIR=self.folder, PBS_ENVIRONMENT="PBS_BATCH")
        process = subprocess.Popen(["bash", known["script"]], env=environment, cwd=self.folder, start_new_session=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes[job] = process
        write(self.path_of(job), dict(known, state="R", pid=process.pid))

    def kill(self, job):
        """As at the end of the walltime, without the time to write a word."""
        try:
            os.killpg(self.processes[job].pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.reap(job)

    def reap(self, job, seconds=60):
        """After the end of a job: the server keeps or forgets it."""
        self.processes.pop(job).wait(timeout=seconds)
        self.end(job)

    def end(self, job):
        if read(os.path.join(self.folder, "mode.json")).get("history"):
            write(self.path_of(job), dict(read(self.path_of(job)), state="F", comment="Job run and finished"))
        else:
            os.remove(self.path_of(job))


def read(path):
    with open(path) as file:
        return json.load(file)


def write(path, value):
    with open(path + ".new", "w") as file:
        json.dump(value, file)
    os.rename(path + ".new", os.path.join(os.path.dirname(path), os.path.basename(path)))


class Command:
    """One call of one command."""

    def __init__(self, pbs, name, words):
        self.pbs, self.name, self.words = pbs, name, words
        self.mode = read(os.path.join(pbs.folder, "mode.json"))

    def fail(self, text, code):
        print("%s: %s" % (self.name, text), file=sys.stderr)
        sys.exit(code)

    def silent(self):
        print("Connection refused", file=sys.stderr)
        self.fail("cannot connect to server %s (errno=15010)" % SERVER, SILENT_CODE)

    def value_of(self, option):
        return self.words[self.words.index(option) + 1] if option in self.words else ""

    def run(self):
        if self.mode.get("down"):
            self.silent()
        getattr(self, self.name)()

    def qsub(self):
        lost = next((mode for mode in ("lost_call", "lost_answer") if self.mode.pop(mode, None)), None)
        if lost:
            write(os.path.join(self.pbs.folder, "mode.json"), self.mode)
        if lost != "lost_call":
            job = self.pbs.add(self.value_of("-N"), self.words[-1])
        if lost:
            self.silent()
        print(job)

    def without_history(self):
        """-x of a server that keeps none: well, and empty."""
        if "-x" in self.words and not self.mode.get("history"):
            print("%s: %s" % (self.name, NO_HISTORY), file=sys.stderr)
            sys.exit(0)

    def qselect(self):
        self.without_history()
        for job in self.pbs.jobs().values():
            if job["name"] == self.value_of("-N") and (job["state"] != "F" or "-x" in self.words):
                print(job["id"])

    def qstat(self):
        self.without_history()
        jobs = self.pbs.jobs()
        wanted = [word for word in self.words if word[0].isdigit()]
        listed = {}
        for name in wanted or jobs:
            job = jobs.get(name)
            if job is None or (job["state"] == "F" and "-x" not in self.words):
                if not wanted:
                    continue
                if "json" in self.words:
                    print(json.dumps({"timestamp": 1, "pbs_version": "23.06.06", "pbs_server": SERVER}))
                if job is None:
                    self.fail("Unknown Job Id %s" % name, UNKNOWN_CODE)
                self.fail("%s Job has finished, use -x or -H to obtain historical job information" % name, FINISHED_CODE)
            listed[name] = {"Job_Name": job["name"], "Job_Owner": "user@p0", "job_state": job["state"], "server": SERVER,
                            "comment": job.get("comment", "Not Running: Not enough free nodes available"),
                            "Resource_List.walltime": "00:10:00"}
        if "json" in self.words:
            print(json.dumps({"timestamp": 1, "pbs_version": "23.06.06", "pbs_server": SERVER, "Jobs": listed}))
            return
        for name, attributes in listed.items():
            print("Job Id: %s\n%s\n" % (name, "\n".join("    %s = %s" % pair for pair in attributes.items())))

    def qdel(self):
        job = self.pbs.jobs().get(self.words[-1])
        if job is None:
            self.fail("Unknown Job Id %s" % self.words[-1], UNKNOWN_CODE)
        if job["state"] == "F":
            self.fail("Job has finished %s" % job["id"], FINISHED_CODE)
        with open(os.path.join(self.pbs.folder, "deleted"), "a") as file:
            file.write(job["id"] + "\n")
        if job["pid"]:
            os.killpg(job["pid"], signal.SIGTERM)
        else:
            self.pbs.end(job["id"])


def main():
    pbs = Pbs.__new__(Pbs)
    pbs.folder = sys.argv[1]
    Command(pbs, sys.argv[2], sys.argv[3:]).run()


if __name__ == "__main__":
    main()
