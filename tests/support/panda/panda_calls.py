# SPDX-License-Identifier: Apache-2.0
"""The two interfaces of a PanDA server over a PandaTable: arguments, checks, and answers in the shapes that were recorded.

A call gets a Request and gives an Answer; no sockets here. Mistakes of the real server are kept (docs/reference/panda.md).
"""
import gzip
import json
import urllib.parse

from panda_table import RolledBack

UPDATE_FIELDS = """node workdir cpuConsumptionTime cpuConsumptionUnit remainingSpace schedulerID pilotID siteName messageLevel pilotLog
metaData cpuConversionFactor exeErrorCode exeErrorDiag pilotErrorCode pilotErrorDiag pilotTiming computingElement startTime endTime
nEvents nInputFiles batchID attemptNr jobMetrics stdout jobSubStatus coreCount maxRSS maxVMEM maxSWAP maxPSS avgRSS avgVMEM avgSWAP
avgPSS totRCHAR totWCHAR totRBYTES totWBYTES rateRCHAR rateWCHAR rateRBYTES rateWBYTES corruptedFiles meanCoreCount
cpu_architecture_level grid source_site destination_site timeout timestamp token transExitCode xml""".split()
JOB_FIELDS = """token timeout cpu mem diskSpace prodSourceLabel node computingElement AtlasRelease prodUserID getProxyKey countryGroup
workingGroup allowOtherCountry taskID nJobs background resourceType harvester_id worker_id schedulerID jobType viaTopic
remaining_time""".split()
JOB_STATES = ("running", "failed", "finished", "holding", "starting", "transferring")
NO_ROLE = "no production/pilot role in VOMS FQANs or non pilot owner"
DEFAULT_DN = "/DC=test/OU=People/CN=test pilot"

# Name -> (required, optional) of the classic interface.
CLASSIC = {
    "isAlive": ((), ()),
    "getJob": (("siteName",), JOB_FIELDS),
    "updateJob": (("jobId", "state"), UPDATE_FIELDS),
    "updateJobsInBulk": (("jobList",), ("harvester_id",)),
    "getStatus": (("ids",), ("timeout",)),
    "getEventRanges": (("pandaID", "jobsetID"), ("taskID", "nRanges", "timeout", "scattered", "segment_id")),
    "updateEventRange": (("eventRangeID", "eventStatus"), ("coreCount", "cpuConsumptionTime", "objstoreID", "timeout", "pandaID")),
    "updateEventRanges": (("eventRanges",), ("timeout", "version", "pandaID")),
    "checkEventsAvailability": (("pandaID", "jobsetID", "taskID"), ("timeout",)),
    "get_events_status": (("ids",), ()),
    "getKeyPair": (("publicKeyName", "privateKeyName"), ()),
    "get_access_token": (("client_name",), ("token_key",)),
}

# v1's updateJob names -> classic ones.
V1_UPDATE = {
    "node": ("node", str), "cpu_consumption_time": ("cpuConsumptionTime", int), "cpu_consumption_unit": ("cpuConsumptionUnit", str),
    "scheduler_id": ("schedulerID", str), "pilot_id": ("pilotID", str), "site_name": ("siteName", str), "pilot_log": ("pilotLog", str),
    "meta_data": ("metaData", str), "cpu_conversion_factor": ("cpuConversionFactor", (float, int)),
    "trans_exit_code": ("transExitCode", int), "pilot_error_code": ("pilotErrorCode", int), "pilot_error_diag": ("pilotErrorDiag", str),
    "exe_error_code": ("exeErrorCode", int), "exe_error_diag": ("exeErrorDiag", str), "pilot_timing": ("pilotTiming", str),
    "start_time": ("startTime", str), "end_time": ("endTime", str), "n_events": ("nEvents", int), "n_input_files": ("nInputFiles", int),
    "batch_id": ("batchID", str), "job_metrics": ("jobMetrics", str), "stdout": ("stdout", str), "job_sub_status": ("jobSubStatus", str),
    "core_count": ("coreCount", int), "corrupted_files": ("corruptedFiles", str), "mean_core_count": ("meanCoreCount", int),
    "cpu_architecture_level": ("cpu_architecture_level", str), "grid": ("grid", str), "source_site": ("source_site", str),
    "destination_site": ("destination_site", str),
}
for _kind in ("max", "avg"):
    for _what in ("rss", "vmem", "swap", "pss"):
        V1_UPDATE["%s_%s" % (_kind, _what)] = (_kind + _what.upper(), (int, float))
for _kind in ("tot", "rate"):
    for _what in ("rchar", "wchar", "rbytes", "wbytes"):
        V1_UPDATE["%s_%s" % (_kind, _what)] = (_kind + _what.upper(), (int, float))
_V1_UPDATE_TYPES = dict({name: (kind, False) for name, (_, kind) in V1_UPDATE.items()}, job_id=(int, True), job_status=(str, True),
                        job_output_report=(str, False), attempt_nr=(int, False), timeout=(int, False))

# Method -> (verb, production role needed, {argument: (type, required)}).
V1 = {
    "system/is_alive": ("GET", False, {}),
    "pilot/acquire_jobs": ("POST", False, {
        "site_name": (str, True), "timeout": (int, False), "memory": (int, False), "disk_space": (int, False),
        "prod_source_label": (str, False), "node": (str, False), "computing_element": (str, False), "prod_user_id": (str, False),
        "get_proxy_key": (str, False), "task_id": (int, False), "n_jobs": (int, False), "background": (bool, False),
        "resource_type": (str, False), "harvester_id": (str, False), "worker_id": (int, False), "scheduler_id": (str, False),
        "job_type": (str, False), "via_topic": (bool, False), "remaining_time": (object, False)}),
    "pilot/update_job": ("POST", True, _V1_UPDATE_TYPES),
    "pilot/update_jobs_bulk": ("POST", True, {"job_list": (list, True), "harvester_id": (str, False)}),
    "pilot/get_job_status": ("GET", False, {"job_ids": (list, True), "timeout": (int, False)}),
    "pilot/update_worker_status": ("POST", True, {"worker_id": (int, True), "harvester_id": (str, True), "status": (str, True),
                                                  "node_id": (str, False), "timeout": (int, False)}),
    "event/acquire_event_ranges": ("POST", True, {
        "job_id": (int, True), "jobset_id": (int, True), "task_id": (int, False), "n_ranges": (int, False), "timeout": (int, False),
        "scattered": (bool, False), "segment_id": (int, False)}),
    "event/get_available_event_range_count": ("GET", True, {"job_id": (int, True), "jobset_id": (int, True), "task_id": (int, True),
                                                            "timeout": (int, False)}),
    "event/get_event_range_statuses": ("GET", False, {"job_task_ids": (str, True)}),
    "event/update_single_event_range": ("POST", True, {
        "event_range_id": (str, True), "event_range_status": (str, True), "core_count": (int, False),
        "cpu_consumption_time": ((float, int), False), "object_store_id": (int, False), "timeout": (int, False)}),
    "event/update_event_ranges": ("POST", True, {"event_ranges": (str, True), "timeout": (int, False), "version": (int, False)}),
    "creds/get_key_pair": ("GET", False, {"public_key_name": (str, True), "private_key_name": (str, True)}),
    "creds/get_access_token": ("GET", False, {"client_name": (str, True), "token_key": (str, False)}),
}


class Request:
    def __init__(self, verb, path, headers, body, dn=DEFAULT_DN, fqan="/atlas/Role=production"):
        self.verb, self.headers, self.body = verb, headers, body
        parts = urllib.parse.urlsplit(path)
        self.path, self.query = parts.path, parts.query
        self.dn, self.fqan = dn, fqan

    @property
    def method(self):
        return self.path.rsplit("/", 1)[-1]

    def wants_json(self):
        return "application/json" in self.headers.get("Accept", "")


class Answer:
    def __init__(self, status, kind, body):
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else body.encode()


class ServerError(Exception):
    """An exception in a method of the server: HTTP 500 with its text."""


class CloseConnection(Exception):
    """The worker process kills itself."""


def text(status, body):
    return Answer(status, "text/plain", body)


def bare_dn(dn):
    parts = [p for p in dn.split("/") if p]
    while parts and parts[-1].startswith("CN=") and (parts[-1][3:].isdigit() or parts[-1] in ("CN=proxy", "CN=limited proxy")):
        parts.pop()
    return "/" + "/".join(parts)


def common_name(dn):
    return bare_dn(dn).rsplit("CN=", 1)[-1]


class PandaCalls:
    def __init__(self, table):
        self.table = table
        self.classic = True        # the older server has both interfaces, the newer one v1 only
        self.v1 = True
        self.v1_repaired = False   # update_event_ranges of a server that may come
        self.production_names = ["test pilot", "user"]
        self.key_users = ["test pilot", "user"]
        self.keys = {"S3_pub.key": "TEST PUBLIC KEY\n", "S3_priv.key": "TEST PRIVATE KEY\n"}
        self.tokens = {"good-token": DEFAULT_DN}
        self.token_keys = {}       # token key -> the token it buys
        self.calls = {}            # method -> how often it was called
        self.log = []              # (method, arguments), the last thousand

    # ---- who asks ---------------------------------------------------------------------------------------------

    def is_production(self, request):
        return bool(request.dn) and (common_name(request.dn) in self.production_names
                                     or "Role=production" in request.fqan)

    def is_pilot(self, request):
        return bool(request.dn) and (self.is_production(request) or request.fqan.startswith("/atlas/Role=pilot"))

    def note(self, method, arguments):
        self.calls[method] = self.calls.get(method, 0) + 1
        self.log.append((method, {k: (v if len(str(v)) < 2000 else "...") for k, v in arguments.items()}))
        del self.log[:-1000]

    # ---- entry ------------------------------------------------------------------------------------------------

    def answer(self, request):
        token = request.headers.get("Authorization", "")
        if token:
            name = token[7:] if token.startswith("Bearer ") else ""
            if name not in self.tokens or not request.headers.get("Origin"):
                return text(403, "Token authentication failed")
            request.dn, request.fqan = self.tokens[name], ""
        parts = request.path.strip("/").split("/")
        try:
            if self.classic and len(parts) == 3 and parts[:2] == ["server", "panda"] and parts[2] in CLASSIC:
                return self.answer_classic(request, parts[2])
            if self.v1 and len(parts) == 4 and parts[:2] == ["api", "v1"] and "/".join(parts[2:]) in V1:
                return self.answer_v1(request, "/".join(parts[2:]))
        except ServerError as error:
            return text(500, str(error))
        return text(403, "ERROR : method %s is forbidden" % (request.method if len(parts) > 1 else ""))

    def form(self, request):
        fields = {}
        pairs = urllib.parse.parse_qsl(request.query, keep_blank_values=True)
        kind = request.headers.get("Content-Type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            pairs += urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True)
        elif kind.startswith("multipart/form-data"):
            pairs += multipart(kind, request.body)
        for name, value in pairs:
            fields.setdefault(name, value)
        return fields

    def bind(self, method, required, optional, arguments):
        missing = [name for name in required if name not in arguments]
        for name in arguments:
            if name not in required and name not in optional:
                raise ServerError("%s() got an unexpected keyword argument '%s'" % (method, name))
        if len(missing) == 1:
            raise ServerError("%s() missing 1 required positional argument: '%s'" % (method, missing[0]))
        if missing:
            quoted = ["'%s'" % name for name in missing]
            listed = " and ".join(quoted) if len(quoted) == 2 else ", ".join(quoted[:-1]) + ", and " + quoted[-1]
            raise ServerError("%s() missing %d required positional arguments: %s" % (method, len(missing), listed))

    # ---- classic ----------------------------------------------------------------------------------------------

    def answer_classic(self, request, method):
        if request.headers.get("Content-Type") == "application/json":
            try:
                arguments = json.loads(gzip.decompress(request.body))
            except OSError as error:
                raise CloseConnection(text(500, str(error)))
        else:
            arguments = self.form(request)
        required, optional = CLASSIC[method]
        self.bind(method, required, optional, arguments)
        self.note(method, arguments)
        return getattr(self, "classic_" + method)(request, arguments)

    def reply(self, request, content, as_json=None):
        if request.wants_json() if as_json is None else as_json:
            return Answer(200, "application/json", json.dumps(content))
        flat = {}
        for name, value in content.items():
            if name == "errorDialog" and content["StatusCode"] in (20, 60):
                continue
            if name in ("jobs", "eventRanges"):
                value = json.dumps(value)
            flat[name] = value
        return text(200, urllib.parse.urlencode(flat))

    def classic_isAlive(self, request, arguments):
        return text(200, "alive=yes")

    def classic_getJob(self, request, a):
        if not self.is_pilot(request) and a.get("prodSourceLabel") != "user":
            return self.reply(request, {"StatusCode": 60, "errorDialog": NO_ROLE})
        jobs = self.table.get_jobs(
            a["siteName"], int(a.get("nJobs", 1)), a.get("prodSourceLabel"), a.get("node"), number(a.get("mem")),
            int(a["taskID"]) if "taskID" in a else None, number(a.get("timeout", 60)), a.get("resourceType"),
            number(a.get("remaining_time")), a.get("getProxyKey") == "True")
        if not jobs:
            return self.reply(request, {"StatusCode": 20, "errorDialog": "no jobs in PanDA"})
        jobs = [dict({"StatusCode": 0}, **job) for job in jobs]
        return self.reply(request, {"StatusCode": 0, "jobs": jobs} if "nJobs" in a else jobs[0])

    def classic_updateJob(self, request, a):
        if not self.is_pilot(request):
            return self.reply(request, {"StatusCode": 60, "errorDialog": NO_ROLE})
        return self.reply(request, self.update_job(a))

    def update_job(self, a):
        if a["jobId"] == "NULL" or a["state"] not in JOB_STATES:
            return {"StatusCode": 0}
        try:
            panda_id = int(a["jobId"])
            columns = {name: str(value) for name, value in a.items() if name not in ("jobId", "state", "attemptNr", "xml", "timeout")}
            for name in ("avgRSS", "avgVMEM", "avgSWAP", "avgPSS"):
                if name in columns:
                    float(columns[name])
        except ValueError as error:
            raise ServerError(str(error))
        for name, limit in (("pilotErrorDiag", 500), ("exeErrorDiag", 500), ("jobMetrics", 500), ("node", 128), ("pilotID", 200),
                            ("batchID", 80)):
            if name in columns:
                columns[name] = columns[name][:limit]
        if not columns.get("coreCount", "0").isdigit():
            return {"StatusCode": 30}
        try:
            attempt = int(a["attemptNr"]) if "attemptNr" in a else None
            command = self.table.update_job(panda_id, a["state"], attempt, columns, a.get("xml"))
        except RolledBack:
            return {"StatusCode": 30}
        answer = {"StatusCode": 0, "command": command}
        if "debug" in command.split(","):
            answer["pilotSecrets"] = "{}"
        return answer

    def classic_updateJobsInBulk(self, request, a):
        if not self.is_pilot(request):
            return text(200, json.dumps([False, NO_ROLE]))
        try:
            jobs = json.loads(a["jobList"])
        except ValueError:
            return text(200, json.dumps([False, "failed to load JSON"]))
        done = [{"type": "json", "content": json.dumps(self.update_job(job))} for job in jobs]
        return text(200, json.dumps([True, done]))

    def classic_getStatus(self, request, a):
        found = [self.table.active(int(word)) or self.table.jobs.get(int(word)) for word in a["ids"].split()]
        return text(200, urllib.parse.urlencode({
            "StatusCode": 0, "status": "+".join(job.status if job else "notfound" for job in found),
            "attemptNr": "+".join(str(job.attempt if job else 0) for job in found)}))

    def role_problem(self, request):
        if not request.dn:
            return text(200, "failed to retrieve DN")
        if not self.is_pilot(request):
            return text(200, "production or pilot role is required")
        return None

    def classic_getEventRanges(self, request, a):
        problem = self.role_problem(request)
        if problem:
            return problem
        try:
            count = int(a.get("nRanges", 10))
        except ValueError:
            count = 8
        try:
            ranges = self.table.get_event_ranges(int(a["pandaID"]), int(a["jobsetID"]), None, count,
                                                 int(a["segment_id"]) if "segment_id" in a else None)
        except (ValueError, RolledBack):
            return self.reply(request, {"StatusCode": 30})
        return self.reply(request, {"StatusCode": 0, "eventRanges": ranges})

    def classic_updateEventRange(self, request, a):
        problem = self.role_problem(request)
        if problem:
            return problem
        item = {name: a[name] for name in ("eventRangeID", "eventStatus", "objstoreID") if name in a}
        returns, commands = self.table.update_event_ranges(json.dumps([item]))
        if returns[0] is not True:
            return text(200, "StatusCode=30")
        return text(200, urllib.parse.urlencode({"StatusCode": 0, "Command": json.dumps(commands)}))

    def classic_updateEventRanges(self, request, a):
        problem = self.role_problem(request)
        if problem:
            return problem
        version = number(a.get("version"))
        returns, commands = self.table.update_event_ranges(a["eventRanges"], version)
        if version == 0 and returns != '"':
            returns, commands = json.dumps(returns), json.dumps(commands)
        return self.reply(request, {"StatusCode": 0, "Returns": returns, "Command": commands})

    def classic_checkEventsAvailability(self, request, a):
        try:
            count = self.table.count_ready(int(a["pandaID"]), int(a["jobsetID"]), int(a["taskID"]))
        except ValueError:
            return self.reply(request, {"StatusCode": 30}, True)
        return self.reply(request, {"StatusCode": 0, "nEventRanges": count}, True)

    def classic_get_events_status(self, request, a):
        try:
            return text(200, json.dumps(self.table.statuses(json.loads(a["ids"]))))
        except (ValueError, KeyError, TypeError):
            return text(200, "null")

    def classic_getKeyPair(self, request, a):
        shape = request.wants_json()
        name = "getKeyPair %s/%s json=%s: " % (a["publicKeyName"], a["privateKeyName"], shape)
        pair, code, why = self.key_pair(request, a["publicKeyName"], a["privateKeyName"])
        if code == 70 and not request.dn:
            return self.reply(request, {"StatusCode": 70, "errorDialog": why})
        if code:
            return self.reply(request, {"StatusCode": code, "errorDialog": name + why})
        return self.reply(request, {"StatusCode": 0, "publicKey": pair[0], "privateKey": pair[1]})

    def classic_get_access_token(self, request, a):
        token = self.token_keys.get(a.get("token_key"))
        return self.reply(request, {"StatusCode": 0, "userProxy": token} if token else {"StatusCode": 90})

    def key_pair(self, request, public, private):
        if not request.dn:
            return None, 70, "Cannot extract DN from proxy. not HTTPS?"
        user = common_name(request.dn)
        if user not in self.key_users:
            return None, 70, "failed since '%s' not authorized with 'k' in DOMA_PANDAMETA.USERS.GRIDPREF" % user
        for name in (public, private):
            if name not in self.keys:
                return None, 80, "failed for '%s' since %s is missing on localhost" % (user, name)
        return (self.keys[public], self.keys[private]), 0, ""

    # ---- v1 ---------------------------------------------------------------------------------------------------

    def answer_v1(self, request, method):
        verb, production, signature = V1[method]
        kind = request.headers.get("Content-Type", "")
        as_json = kind == "application/json" or request.headers.get("Accept") == "application/json"

        def say(success, message="", data=None):
            content = {"success": success, "message": message, "data": data}
            if not as_json:
                return text(200, repr(content))
            try:
                return text(200, json.dumps(content))
            except TypeError:
                raise ServerError("Type not serializable for %r (%r)" % (data, type(data)))

        if kind == "application/json":
            body = request.body
            if request.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            try:
                arguments = json.loads(body)
            except ValueError as error:
                raise ServerError(str(error))
        else:
            arguments = self.form(request)
            if verb == "GET" and "job_ids" in signature:
                arguments["job_ids"] = [v for n, v in urllib.parse.parse_qsl(request.query) if n == "job_ids"]
        if not request.dn or "CN=limited proxy" in request.dn:
            return say(False, "SSL secure connection is required")
        if production and not self.is_production(request):
            return say(False, "production or pilot role required")
        if request.verb != verb:
            return say(False, "expecting %s, received %s" % (verb, request.verb))
        problem = check_arguments(signature, arguments, verb == "GET")
        if problem:
            return say(False, problem)
        self.note(method, arguments)
        return getattr(self, "v1_" + method.split("/")[1])(request, arguments, say)

    def v1_is_alive(self, request, a, say):
        return say(True)

    def v1_acquire_jobs(self, request, a, say):
        if not self.is_production(request) and a.get("prod_source_label") != "user":
            return say(False, NO_ROLE)
        jobs = self.table.get_jobs(a["site_name"], a.get("n_jobs", 1), a.get("prod_source_label"), a.get("node"), a.get("memory", 0),
                                   a.get("task_id"), a.get("timeout", 60), a.get("resource_type"), a.get("remaining_time", 0))
        if not jobs:
            return say(False, "No jobs in PanDA")
        return say(True, data={"StatusCode": 0, "jobs": [dict({"StatusCode": 0}, **job) for job in jobs]})

    def v1_update_job(self, request, a, say):
        return say(**self.v1_update(a))

    def v1_update(self, a):
        if a["job_status"] not in JOB_STATES:
            return {"success": False, "message": "Invalid job status: " + a["job_status"], "data": {"StatusCode": 50}}
        classic = {"jobId": a["job_id"], "state": a["job_status"]}
        for name, value in a.items():
            if name in V1_UPDATE:
                classic[V1_UPDATE[name][0]] = value
        if "attempt_nr" in a:
            classic["attemptNr"] = a["attempt_nr"]
        if "job_output_report" in a:
            classic["xml"] = a["job_output_report"]
        data = self.update_job(classic)
        return {"success": True, "message": "" if data["StatusCode"] == 0 else "Database error", "data": data}

    def v1_update_jobs_bulk(self, request, a, say):
        done = []
        for job in a["job_list"]:
            problem = check_arguments(_V1_UPDATE_TYPES, job, False)
            done.append({"success": False, "message": problem, "data": None} if problem else self.v1_update(job))
        return say(True, data=done)

    def v1_get_job_status(self, request, a, say):
        data = []
        for number_text in a["job_ids"]:
            job = self.table.jobs.get(int(number_text))
            data.append({"job_id": int(number_text), "status": job.status if job else "not found",
                         "attempt_number": job.attempt if job else 0})
        return say(True, data=data)

    def v1_update_worker_status(self, request, a, say):
        return say(True)

    def v1_acquire_event_ranges(self, request, a, say):
        try:
            return say(True, data=self.table.get_event_ranges(a["job_id"], a["jobset_id"], a.get("task_id"), a.get("n_ranges", 10),
                                                              a.get("segment_id")))
        except RolledBack:
            return say(False, "database error in the PanDA server")

    def v1_get_available_event_range_count(self, request, a, say):
        return say(True, data=self.table.count_ready(int(a["job_id"]), int(a["jobset_id"]), int(a["task_id"])))

    def v1_get_event_range_statuses(self, request, a, say):
        try:
            return say(True, data=self.table.statuses(json.loads(a["job_task_ids"])))
        except (ValueError, KeyError, TypeError):
            return say(False, "database error in the PanDA server")

    def v1_update_single_event_range(self, request, a, say):
        if "object_store_id" in a:
            raise ServerError("isinstance() arg 2 must be a type, a tuple of types, or a union")
        item = {"eventRangeID": a["event_range_id"], "eventStatus": a["event_range_status"]}
        returns, commands = self.table.update_event_ranges(json.dumps([item]))
        if returns[0] is False:
            return say(False, "database error in the PanDA server")
        return say(returns[0], data={"Command": json.dumps(commands)})

    def v1_update_event_ranges(self, request, a, say):
        version = a.get("version", 0)
        returns, commands = self.table.update_event_ranges(a["event_ranges"], version)
        if version == 0 and returns != '"':
            returns, commands = json.dumps(returns), json.dumps(commands)
        if self.v1_repaired:  # tobekilled comes with the heartbeat only.
            return say(True, data={"Returns": returns, "Commands": {panda_id: None for panda_id in commands} if version else commands})
        try:
            data = {"Returns", returns, "Commands", commands}  # A set where a dictionary was meant.
        except TypeError as error:
            raise ServerError(str(error))
        return say(True, data=data)

    def v1_get_key_pair(self, request, a, say):
        pair, code, why = self.key_pair(request, a["public_key_name"], a["private_key_name"])
        if code:
            return say(False, why[0].upper() + why[1:])
        return say(True, data={"public_key": pair[0], "private_key": pair[1]})

    def v1_get_access_token(self, request, a, say):
        token = self.token_keys.get(a.get("token_key"))
        return say(True, data={"user_proxy": token}) if token else say(False, "no such token")


def number(value):
    try:
        return max(0, int(float(value)))
    except (TypeError, ValueError):
        return 0


def check_arguments(signature, arguments, cast):
    """The message that the server gives, or None."""
    for name in arguments:
        if name not in signature:
            return "Argument error: got an unexpected keyword argument '%s'" % name
    for name, (kind, required) in signature.items():
        if name not in arguments:
            if required:
                return "Argument error: missing a required argument: '%s'" % name
            continue
        value = arguments[name]
        if cast or kind is object:
            continue
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if wrong:
            first = kind[0] if isinstance(kind, tuple) else kind
            return "Type error: '%s' must be of type %s, got %s." % (name, first.__name__, type(value).__name__)
    return None


def multipart(kind, body):
    boundary = ("--" + kind.split("boundary=", 1)[1]).encode()
    for part in body.split(boundary)[1:-1]:
        head, _, value = part.strip(b"\r\n").partition(b"\r\n\r\n")
        if not value:
            head, _, value = part.strip(b"\r\n").replace(b"\r\n", b"\n").partition(b"\n\n")
        yield head.decode().split('name="', 1)[1].split('"', 1)[0], value.decode()
