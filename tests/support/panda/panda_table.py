# SPDX-License-Identifier: Apache-2.0
"""PanDA's jobs and event table, as far as an event-service consumer can see them (docs/reference/panda.md §7).

No sockets, no threads, no clock: time is `now`, set by the caller. Every rule here was seen happening on a real server or
is named in its sources; what a real server gets wrong is wrong here too.
"""
import itertools
import json
import random
import uuid

READY, SENT, RUNNING, FINISHED, CANCELLED, DISCARDED, DONE, FAILED, FATAL, MERGED, CORRUPTED = range(11)
STATUS_NAMES = ["ready", "sent", "running", "finished", "cancelled", "discarded", "done", "failed", "fatal", "merged", "corrupted"]
FINAL_JOB_STATES = {"merging", "closed", "failed", "finished", "cancelled"}
MOST_UPDATES = 100000


class Event:
    __slots__ = ("task", "panda_id", "file_id", "process_id", "attempt", "status", "last", "objstore", "error_code",
                 "error_diag", "path_convention", "zip_row", "is_jumbo", "jobset", "dataset")

    def __init__(self, task, jobset, file_id, first, last, attempt, dataset):
        self.task, self.panda_id, self.jobset, self.file_id = task, jobset, jobset, file_id
        self.process_id, self.last, self.attempt, self.dataset = first, last, attempt, dataset
        self.status = READY
        self.objstore = self.error_code = self.error_diag = self.path_convention = self.zip_row = self.is_jumbo = None

    def range_id(self):
        return "%d-%d-%d-%d-%d" % (self.task, self.panda_id, self.file_id, self.process_id, self.attempt)


class Job:
    def __init__(self, panda_id, task, jobset, fields, event_service=1, attempt=1, max_attempt=3):
        self.panda_id, self.task, self.jobset, self.fields = panda_id, task, jobset, fields
        self.event_service, self.attempt, self.max_attempt = event_service, attempt, max_attempt
        self.status, self.sub_status = "activated", None
        self.command, self.sup_error, self.debug = None, 0, False
        self.host = self.pilot_id = self.batch_id = self.error_diag = self.end = None
        self.error = 0
        self.n_events = 0
        self.columns = {}        # what updateJob stored
        self.report = None       # (state, attempt) that waits for the adder
        self.output_report = None
        self.changed = 0.0
        self.states = []         # every state PanDA was told, in order
        self.rows = {}           # (file_id, process_id) -> Event, given to this job
        self.merges = []         # of a merge job: the done rows whose outputs it is to merge

    @property
    def site(self):
        return self.fields["destinationSE"]


class RolledBack(Exception):
    """An exception inside a database call: nothing of that call stays."""


class PandaTable:
    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.now = 0.0
        self.tasks = {}
        self.jobs = {}
        self.pools = {}          # jobset -> {(file_id, process_id): Event}; ready rows of tries left and hopeless ones
        self.files = {}          # fileID -> {lfn, guid, scope, ...}
        self.zips = {}           # (PandaID, lfn) -> row
        self.next_zip = 70021
        self.next_panda_id = 6900000001
        self.next_file_id = 5000001
        self.merge_jobs = []     # PandaIDs of merge jobs made
        # Whether the queue gets merge jobs: jobseed is all, localEsMerge is set, or no other site was found (docs/reference/panda.md).
        self.merge_jobs_here = False
        # A merge job that ends as failed discards what it was to merge. Whether a lost heartbeat does the same is not agreed upon.
        self.merge_timeout_discards = True
        self.adder_errors = []   # PandaIDs of jobs whose final state came without an output report: JSONDecodeError in the adder
        self.auto_adder = True
        self.other_attempt = "tobekilled"  # What the recorded server says; older ones say badattemptnr (docs/reference/panda.md §4).
        self.heartbeat_limit_s = 7200.0
        self.sent_limit_s = 1800.0
        self.stumbles = False    # the PostgreSQL back end as published: an exception after the commit
        self.given = 0
        self.injected = []       # ranges that no row stands for, given once

    # ---- making work ------------------------------------------------------------------------------------------

    def new_id(self):
        self.next_panda_id += 1
        return self.next_panda_id - 1

    def make_task(self, task=40000001, files=None, events=100, file_count=1, per_range=1, attempts=3, site="TEST_HPC",
                  label="managed", jobs=1, jumbo=False, jobset=None, job_fields=None, max_walltime=86400, memory=2000,
                  max_attempt=3, dataset=900001):
        """A task with its files, its ranges and its first consumer jobs, all in one jobset."""
        if files is None:
            files = [{"lfn": "EVNT.%d._%06d.pool.root.1" % (task, i + 1), "events": events} for i in range(file_count)]
        panda_ids = [self.new_id()]
        jobset = jobset or self.new_id()
        panda_ids += [self.new_id() for _ in range(jobs - 1)]
        pool = self.pools.setdefault(jobset, {})
        for entry in files:
            entry.setdefault("guid", str(uuid.uuid5(uuid.NAMESPACE_DNS, entry["lfn"])).upper())
            entry.setdefault("scope", "mc16_13TeV")
            entry.setdefault("fsize", 1000000)
            entry.setdefault("checksum", "ad:0cc737eb")
            entry["id"] = entry.get("id") or self.next_file_id
            self.next_file_id = max(self.next_file_id, entry["id"]) + 1
            self.files[entry["id"]] = entry
            for first in range(1, entry["events"] + 1, per_range):
                last = min(first + per_range - 1, entry["events"])
                pool[entry["id"], first] = Event(task, jobset, entry["id"], first, last, attempts, dataset)
        self.tasks[task] = {"jobset": jobset, "per_range": per_range, "jumbo": jumbo, "files": files, "attempts": attempts}
        for panda_id in panda_ids:
            fields = self.job_fields(task, panda_id, jobset, files, site, label, events * len(files), max_walltime, memory)
            fields.update(job_fields or {})
            self.add_job(Job(panda_id, task, jobset, fields, 4 if jumbo else 1, max_attempt=max_attempt))
        return {"taskID": task, "jobsetID": jobset, "pandaIDs": panda_ids, "fileIDs": [f["id"] for f in files]}

    def add_job(self, job):
        job.changed = self.now
        self.jobs[job.panda_id] = job

    def job_fields(self, task, panda_id, jobset, files, site, label, events, max_walltime, memory):
        def column(key):
            return ",".join(str(f[key]) for f in files)

        lfns = column("lfn")
        out = "HITS.%d._000001.pool.root.1" % task
        log = "log.%d._000001.job.log.tgz.1" % task
        hits = "mc16_13TeV.424000.test.simul.HITS.e3698_tid%d_00" % task
        logs = "mc16_13TeV.424000.test.simul.log.e3698_tid%d_00" % task
        evgen = ",".join(["mc16_13TeV.424000.test.evgen.EVNT.e3698"] * len(files))
        nulls = ",".join(["NULL"] * len(files))
        return {
            "PandaID": panda_id, "prodSourceLabel": label, "swRelease": "Atlas-21.0.15", "homepackage": "AtlasOffline/21.0.15",
            "transformation": "AtlasG4_tf.py", "jobName": "test.simul.%d.%d" % (task, panda_id), "jobDefinitionID": 1, "cloud": "US",
            "inFiles": lfns, "dispatchDblock": nulls, "dispatchDBlockToken": nulls, "dispatchDBlockTokenForOut": "NULL,NULL",
            "outFiles": out + "," + log, "destinationDblock": hits + "," + logs, "destinationDBlockToken": "NULL,NULL",
            "prodDBlocks": evgen, "prodDBlockToken": nulls, "realDatasets": hits + "," + logs, "realDatasetsIn": evgen,
            "fileDestinationSE": site + "," + site, "logFile": log, "logGUID": "",
            "jobPars": "--inputEVNTFile=%s --maxEvents=%d --skipEvents=0 --outputHITSFile=%s --multiprocess --eventService=True"
                       % (lfns, events, out),
            "attemptNr": 1, "GUID": column("guid"), "checksum": column("checksum"), "fsize": column("fsize"),
            "scopeIn": column("scope"), "scopeOut": "mc16_13TeV", "scopeLog": "mc16_13TeV",
            "ddmEndPointIn": "," * (len(files) - 1), "ddmEndPointOut": ",", "destinationSE": site,
            "prodUserID": "/DC=test/OU=People/CN=test user", "maxCpuCount": 0, "minRamCount": memory, "maxDiskCount": 100,
            "cmtConfig": "x86_64-slc6-gcc49-opt", "processingType": "simul", "transferType": "NULL", "sourceSite": "NULL",
            "currentPriority": 880, "taskID": task, "coreCount": 8, "jobsetID": jobset, "reqID": 1, "nucleus": "NULL",
            "maxWalltime": max_walltime, "resource_type": "MCORE", "eventService": "True",
            "prodDBlockTokenForOutput": "NULL,NULL", "inFilePosEvtNum": "True", "ioIntensity": 10, "ioIntensityUnit": "kBPerS"}

    # ---- jobs -------------------------------------------------------------------------------------------------

    def active(self, panda_id):
        job = self.jobs.get(panda_id)
        return job if job and job.status not in FINAL_JOB_STATES else None

    def get_jobs(self, site, count=1, label=None, node=None, memory=0, task=None, timeout=60, resource_type=None,
                 remaining_time=0, proxy_key=False):
        if timeout <= 10:
            return []
        chosen = []
        for job in self.jobs.values():
            fields = job.fields
            if job.event_service == 2 and not self.merge_jobs_here:
                continue
            if (job.status != "activated" or fields["destinationSE"] != site or (label and fields["prodSourceLabel"] != label)
                    or (memory and fields["minRamCount"] > memory) or (task is not None and job.task != task)
                    or (resource_type and fields["resource_type"] != resource_type)
                    or (remaining_time and fields["maxWalltime"] > remaining_time)):
                continue
            chosen.append(job)
            if len(chosen) == count:
                break
        for job in chosen:
            job.status, job.host, job.changed = "sent", node, self.now
            job.fields["attemptNr"] = job.attempt
            job.fields["logGUID"] = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        answers = [dict(job.fields, nSent=len(chosen)) for job in chosen]
        if proxy_key:
            for answer in answers:
                answer.update(credname="", myproxy="")
        return answers

    def stored_command(self, job):
        if job.sup_error == 122:
            return "softkill"
        return job.command

    def update_job(self, panda_id, state, attempt=None, columns=None, output_report=None):
        """-> the command as a text. Raises RolledBack for a database error."""
        job = self.active(panda_id)
        if job is None:
            return "tobekilled"
        if attempt is not None and attempt != job.attempt:
            return self.other_attempt
        columns = columns or {}
        batch = columns.get("batchID")
        if batch is not None and job.batch_id not in (None, batch) and not (batch.isdigit() and job.batch_id.isdigit()):
            raise RolledBack("batchID")
        job.states.append(state)
        job.changed = self.now
        if job.report or (job.status == "holding" and state not in ("finished", "failed", "holding")):
            return "alreadydone" if state in ("finished", "failed") else "NULL"
        for name, value in columns.items():
            job.columns[name] = value
        job.host = columns.get("node", job.host)
        job.batch_id = columns.get("batchID", job.batch_id)
        job.pilot_id = columns.get("pilotID", job.pilot_id)
        if "jobSubStatus" in columns:
            job.sub_status = columns["jobSubStatus"]
        if "nEvents" in columns:
            job.n_events = int(columns["nEvents"])
        if state in ("finished", "failed"):
            job.status, job.report, job.output_report = "holding", (state, job.attempt), output_report
            job.end = self.now
        elif not (state == "starting" and job.status in ("running", "transferring")):
            job.status = state
        words = (["debug"] if job.debug else []) + ([self.stored_command(job)] if self.stored_command(job) else [])
        command = ",".join(words) or "NULL"
        if job.report and self.auto_adder:
            self.run_adder()
        return command

    # ---- handing out ranges -----------------------------------------------------------------------------------

    def ready_rows(self, jobset):
        return (row for row in self.pools.get(jobset, {}).values() if row.status == READY and row.attempt > 0)

    def count_ready(self, panda_id, jobset, task):
        job = self.jobs.get(panda_id)
        if job and job.event_service == 4:
            return sum(1 for pool in self.pools.values() for row in pool.values()
                       if row.task == task and row.status == READY and row.attempt > 0)
        return sum(1 for row in self.ready_rows(jobset) if row.task == task)

    def get_event_ranges(self, panda_id, jobset, task=None, count=10, segment=None):
        if count < 0:
            raise RolledBack("nRanges")
        job = self.active(panda_id)
        if job is None or job.status not in ("sent", "running", "starting") or job.command == "tobekilled" or count == 0:
            return []
        jumbo = job.event_service == 4
        if jumbo:
            rows = itertools.chain.from_iterable(
                self.ready_rows(number) for number in list(self.pools) if self.pool_task(number) == job.task)
        else:
            rows = self.ready_rows(jobset) if jobset == job.jobset else ()
        rows = (row for row in rows if segment is None or row.dataset == segment)
        taken = list(itertools.islice(rows, count + 1))
        short = len(taken) <= count
        # One row too many is taken and any one given back, and the order means nothing.
        if not short:
            taken.pop(self.random.randrange(len(taken)))
        self.random.shuffle(taken)
        for row in taken:
            self.give(row, job)
        if short and not jumbo:
            self.close_unused(job)
        self.given += len(taken)
        injected, self.injected = (self.injected, []) if taken else ([], self.injected)
        return [self.print_range(row) for row in taken] + injected

    def pool_task(self, jobset):
        return next((task for task, about in self.tasks.items() if about["jobset"] == jobset), None)

    def give(self, row, job):
        del self.pools[row.jobset][row.file_id, row.process_id]
        row.panda_id, row.status = job.panda_id, SENT
        row.is_jumbo = 1 if job.event_service == 4 else None
        job.rows[row.file_id, row.process_id] = row

    def assign(self, panda_id, process_ids, file_id=None):
        """Gives exactly these ranges to a job that has been sent: what a recording's setup did."""
        job = self.jobs[panda_id]
        for key, row in list(self.pools[job.jobset].items()):
            if key[1] in process_ids and (file_id is None or key[0] == file_id):
                self.give(row, job)

    def print_range(self, row):
        about = self.files.get(row.file_id, {})
        return {"eventRangeID": row.range_id(), "startEvent": row.process_id, "lastEvent": row.last,
                "LFN": about.get("lfn"), "GUID": about.get("guid"), "scope": about.get("scope")}

    def close_unused(self, job):
        for other in self.jobs.values():
            if other.jobset == job.jobset and other is not job and other.status == "activated" and other.event_service == 1:
                other.status, other.sub_status, other.error = "closed", "es_unused", 116
                other.error_diag = "killed since all event ranges were processed by other consumers while waiting in the queue"

    # ---- what became of them ----------------------------------------------------------------------------------

    def update_event_ranges(self, text, version=0):
        """-> (Returns, Command). Returns may have another length than the request: that is how it is."""
        try:
            items = json.loads(text)
        except ValueError:
            return '"', "E"
        returns, commands, changes, new_zips = [], {}, [], {}
        try:
            for item in self.flatten(items, version):
                if len(returns) >= MOST_UPDATES:
                    returns.append(None)
                else:
                    returns.append(self.check_update(item, version, commands, changes, new_zips))
            self.apply_updates(changes, new_zips, version)
        except (RolledBack, KeyError, TypeError, ValueError, AttributeError):
            returns.append(False)
        return returns, commands

    def flatten(self, items, version):
        for item in items:
            if version >= 1 and "eventRanges" in item:
                for one in item["eventRanges"]:
                    yield dict(one, zipFile=item["zipFile"]) if "zipFile" in item else one
            else:
                yield item

    def check_update(self, item, version, commands, changes, new_zips):
        if "eventRangeID" not in item:
            return False
        try:
            task, panda_id, file_id, process_id, attempt = (int(part) for part in item["eventRangeID"].split("-"))
        except ValueError:
            return False
        if "eventStatus" not in item:
            return False
        status = item["eventStatus"]
        if status in ("running", "transferring"):
            return None
        if status not in ("finished", "failed", "fatal"):
            return False
        zip_key = None
        if version >= 1 and "zipFile" in item:
            zip_key = self.prepare_zip(panda_id, item["zipFile"], new_zips)
        job = self.active(panda_id)
        if job is None and version == 2:
            job = next((j for j in self.jobs.values() if j.jobset == panda_id), None)
        if job is None:
            commands[panda_id] = "tobekilled"
            return False
        commands[panda_id] = self.stored_command(job)
        states = ("sent", "running", "starting", "transferring") + (("activated",) if version == 2 else ())
        if job.status not in states:
            return False
        changes.append((job, task, panda_id, file_id, process_id, attempt, status, item, zip_key))
        return True

    def prepare_zip(self, panda_id, about, new_zips):
        key = (panda_id, about["lfn"])
        if key not in self.zips and key not in new_zips:
            place = str(about["objstoreID"])
            if "pathConvention" in about:
                place += "/%d" % int(about["pathConvention"])
            new_zips[key] = {
                "pandaid": panda_id, "lfn": about["lfn"], "type": "zipoutput", "status": "ready", "fsize": int(about.get("fsize", 0)),
                "checksum": "ad:" + about["adler32"] if "adler32" in about else None, "destinationse": place,
                "dispatchdblocktoken": str(about["numEvents"]) if "numEvents" in about else None}
        return key

    def apply_updates(self, changes, new_zips, version):
        # All values are looked at before any row is touched: a bad one rolls everything back.
        checked = []
        for change in changes:
            item = change[7]
            values = {}
            for name, column in (("objstoreID", "objstore"), ("errorCode", "error_code"), ("pathConvention", "path_convention")):
                if name in item:
                    values[column] = int(item[name])
            if "errorDiag" in item:
                if len(item["errorDiag"]) > 500:
                    raise RolledBack("errorDiag")
                values["error_diag"] = item["errorDiag"]
            checked.append((change, values))
        for key, row in new_zips.items():
            row["row_id"] = self.next_zip
            self.next_zip += 1
            self.zips[key] = row
        touched = {}
        any_finished = False
        for (job, task, panda_id, file_id, process_id, attempt, status, item, zip_key), values in checked:
            touched[job.panda_id] = job
            any_finished = any_finished or status == "finished"
            row = job.rows.get((file_id, process_id))
            if row is None and version == 2:
                row = self.pools.get(job.jobset, {}).get((file_id, process_id))
            states = (SENT, RUNNING) + ((READY,) if version == 2 else ())
            if (row is None or row.task != task or row.panda_id != panda_id or row.attempt != attempt
                    or row.status not in states):
                continue  # No row matched, and nobody is told.
            row.status = FINISHED if status == "finished" else FAILED
            if status == "fatal":
                row.attempt = 1
            if zip_key:
                row.zip_row = self.zips[zip_key]["row_id"]
            for column, value in values.items():
                setattr(row, column, value)
        if self.stumbles and any_finished:
            raise RolledBack("after the commit")
        for job in touched.values() if any_finished else ():
            done = sum(1 for row in job.rows.values() if row.status in (FINISHED, DONE, MERGED))
            job.n_events = done * self.tasks[job.task]["per_range"]

    def statuses(self, pairs):
        answer = {}
        for pair in pairs:
            panda_id = pair["panda_id"]
            job = self.jobs.get(panda_id)
            # Also of a job that was given up: nothing is said of its rows any more.
            answer[str(panda_id)] = {} if self.active(panda_id) is None else {
                row.range_id(): {"status": STATUS_NAMES[row.status], "error": row.error_code, "dialog": row.error_diag}
                for row in job.rows.values() if row.task == pair["task_id"]}
        return answer

    # ---- when a consumer is over ------------------------------------------------------------------------------

    def run_adder(self):
        done = []
        for job in list(self.jobs.values()):
            if job.report and job.status == "holding":
                done.append((job.panda_id, job.report[0]))
                if not job.output_report:
                    self.adder_errors.append(job.panda_id)
                self.finish_consumer(job, job.report[0])
                job.report = None
        return done

    def watch(self):
        """Jobs that have been silent for too long are failed and their ranges released."""
        lost = []
        for job in list(self.jobs.values()):
            limit = self.sent_limit_s if job.status == "sent" else self.heartbeat_limit_s
            if job.status in ("sent", "starting", "running", "transferring") and self.now - job.changed > limit:
                lost.append(job.panda_id)
                job.columns["jobDispatcherErrorCode"] = 102 if job.status == "sent" else 100
                if job.event_service == 2:
                    self.finish_merge_job(job, "failed", self.merge_timeout_discards)
                else:
                    self.finish_consumer(job, "failed")
        return lost

    def finish_merge_job(self, job, state, discards=True):
        job.status = state
        if state == "failed" and not discards:
            return
        for row in job.merges:
            if row.status == DONE:
                row.status = MERGED if state == "finished" else DISCARDED
        for other in self.jobs.values():
            if other.jobset == job.jobset and other.event_service == 1 and other.status == "merging":
                other.status, other.sub_status = ("finished", "es_merge") if state == "finished" else ("failed", "es_merge_failed")

    def finish_consumer(self, job, state):
        if job.event_service == 2:
            self.finish_merge_job(job, state)
            return
        if job.event_service not in (1, 4):
            job.status = state
            return
        pool = self.pools.setdefault(job.jobset, {})
        did = 0
        for row in list(job.rows.values()):
            if row.status == FINISHED:
                row.status = DONE
                did += 1
            elif row.status in (SENT, RUNNING):
                del job.rows[row.file_id, row.process_id]
                row.panda_id, row.status, row.attempt = row.jobset, READY, row.attempt - 1
                self.pools[row.jobset][row.file_id, row.process_id] = row
            elif row.status == FAILED:
                copy = Event(row.task, row.jobset, row.file_id, row.process_id, row.last, row.attempt - 1, row.dataset)
                self.pools[row.jobset][row.file_id, row.process_id] = copy
        if job.event_service == 4:
            job.status, job.sub_status = ("finished" if state == "finished" else "failed"), "es_wait"
            if not any(row.attempt > 0 for row in pool.values()) and did:
                self.make_merge_job(job)
            return
        self.decide(job, pool, did)

    def decide(self, job, pool, did):
        """docs/reference/panda.md §7, in its order."""
        others = [j for j in self.jobs.values() if j.jobset == job.jobset and j is not job and j.event_service == 1
                  and j.status not in FINAL_JOB_STATES]
        if any(row.attempt > 0 for row in pool.values()):
            if job.attempt >= job.max_attempt:
                job.status, job.sub_status, job.error = "failed", "es_max", 114
                return
            retry = Job(self.new_id(), job.task, job.jobset, dict(job.fields), 1, job.attempt + 1, job.max_attempt)
            retry.fields.update(PandaID=retry.panda_id, currentPriority=job.fields["currentPriority"] + 1,
                                resource_type="Undefined")
            self.add_job(retry)
            if did:
                job.status, job.sub_status, job.error = "merging", "es_retry", 111
                job.error_diag = "closed to retry unprocessed event ranges in PandaID=%d" % retry.panda_id
            else:
                job.status, job.sub_status, job.error = "closed", "es_noevent", 123
            return
        if any(j.status != "activated" for j in others):
            job.status, job.sub_status, job.error = ("merging", "es_wait", 115) if did else ("closed", "es_inaction", 117)
            return
        members = [j for j in self.jobs.values() if j.jobset == job.jobset and j.event_service == 1]
        if pool or not any(row.status == DONE for j in members for row in j.rows.values()):
            self.give_up(job, pool, members)
            return
        self.make_merge_job(job)

    def give_up(self, job, pool, members):
        for row in pool.values():
            row.status = CANCELLED
        for other in members:
            if other is not job and other.status == "merging":
                other.status, other.sub_status = "failed", "es_ass_failed"
                other.error_diag = "failed since an associated ES or merge job PandaID=%d failed" % job.panda_id
                for row in other.rows.values():
                    if row.status == DONE:
                        row.status = DISCARDED
        job.status, job.sub_status, job.error = "merging", "es_wait", 118
        job.error_diag = "didn't process any events on WN and give up since this is the last consumer"

    def make_merge_job(self, job):
        merge_id = self.new_id()
        rows = sorted((row for j in self.jobs.values() if j.jobset == job.jobset for row in j.rows.values() if row.status == DONE),
                      key=lambda row: (row.file_id, row.process_id))
        zips = sorted({row.zip_row for row in rows if row.zip_row})
        by_row = {about["row_id"]: about for about in self.zips.values()}
        out = job.fields["outFiles"].split(",")[0]
        members = ["%s.%s" % (out, row.range_id()) for row in rows]
        fields = dict(job.fields, PandaID=merge_id, coreCount=1, currentPriority=5000, eventServiceMerge="True",
                      resource_type="Undefined",
                      writeToFile="inputFor_%s:%s" % (out, ",".join(members)))
        del fields["eventService"], fields["prodDBlockTokenForOutput"]
        if zips:  # With any zip the single objects are forgotten: never mix them in one job.
            count = len(zips)
            fields.update(inFiles=",".join("zip://" + by_row[z]["lfn"] for z in zips),
                          fsize=",".join(str(by_row[z]["fsize"]) for z in zips),
                          checksum=",".join(by_row[z]["checksum"] or "NULL" for z in zips),
                          prodDBlockToken=",".join(by_row[z]["destinationse"] for z in zips))
        else:
            count = len(rows)
            fields.update(inFiles=",".join(members), fsize=",".join(["0"] * count), checksum=",".join(["NULL"] * count),
                          prodDBlockToken=",".join(self.print_place(row) for row in rows))
        for name in ("GUID", "dispatchDblock", "dispatchDBlockToken", "prodDBlocks"):
            fields[name] = ",".join(["NULL"] * count)
        fields.update(scopeIn=",".join(["mc16_13TeV"] * count), ddmEndPointIn="," * (count - 1),
                      realDatasetsIn=",".join([fields["realDatasets"].split(",")[0]] * count))
        merge = Job(merge_id, job.task, job.jobset, fields, 2, 2, 2)
        merge.merges = rows
        self.add_job(merge)
        self.merge_jobs.append(merge_id)
        job.status, job.sub_status, job.error = "merging", "es_merge", 112
        job.error_diag = "closed to merge pre-merged files in PandaID=%d" % merge_id

    @staticmethod
    def print_place(row):
        return "%s/%s" % (row.objstore, row.path_convention) if row.path_convention else str(row.objstore)

    # ---- looking at it ----------------------------------------------------------------------------------------

    def all_rows(self):
        for pool in self.pools.values():
            yield from pool.values()
        for job in self.jobs.values():
            yield from job.rows.values()

    def dump_events(self):
        return [{"taskID": r.task, "PandaID": r.panda_id, "fileID": r.file_id, "job_processID": r.process_id, "attemptNr": r.attempt,
                 "status": STATUS_NAMES[r.status], "first": r.process_id, "last": r.last, "objstoreID": r.objstore,
                 "errorCode": r.error_code, "errorDiag": r.error_diag, "pathConvention": r.path_convention,
                 "zip_row": r.zip_row, "is_jumbo": r.is_jumbo} for r in self.all_rows()]

    def dump_jobs(self):
        return [{"PandaID": j.panda_id, "taskID": j.task, "jobsetID": j.jobset, "status": j.status, "subStatus": j.sub_status,
                 "attemptNr": j.attempt, "nEvents": j.n_events, "error": j.error, "host": j.host, "batchID": j.batch_id,
                 "pilotID": j.pilot_id, "columns": j.columns, "states": j.states, "eventService": j.event_service,
                 "outputReport": j.output_report} for j in self.jobs.values()]

    def count_events(self):
        counts = {}
        for row in self.all_rows():
            name = STATUS_NAMES[row.status]
            counts[name] = counts.get(name, 0) + 1
        return counts
