#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends every recorded request to the fake PanDA and compares its answers, and its table, with the recording.

    replay_examples.py FOLDER

Compared: HTTP status, content type, the shape of the body (JSON, form, Python's repr, text) and its values; after that the rows
that the recording lists. Not compared: random GUIDs, which ranges a server chooses to hand out, texts that quote sets.
"""
import argparse
import ast
import gzip
import http.client
import json
import os
import re
import socket
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support", "panda"))
import fake_panda  # noqa: E402
from panda_table import STATUS_NAMES  # noqa: E402

MOST = set(range(1, 22)) - {3}


class Exchange:
    """One request, its answer, and the rows that the recording lists after it (tests/data/panda/README.md)."""

    def __init__(self, file, record):
        self.file, self.number, self.what = file, record["number"], record["what"]
        self.request, self.answer = record["request"], record["answer"]
        self.rows = [read_rows(table) for table in record.get("rows", ())]
        # None where the recording did not run the server's adder after the exchange.
        self.rows_after_adder = None
        if "rows_after_adder" in record:
            self.rows_after_adder = [read_rows(table) for table in record["rows_after_adder"]]


def read_examples(folder):
    exchanges = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                exchanges += [Exchange(name[:-5], record) for record in json.load(file)["exchanges"]]
    return exchanges


def read_rows(table):
    """-> (title, [dict of column -> text])."""
    return table["of"], [dict(zip(table["columns"], values)) for values in table["values"]]


def decode(body):
    """-> (shape, value)."""
    body = body.strip()
    if not body:
        return "empty", None
    try:
        return "json", json.loads(body)
    except ValueError:
        pass
    try:
        return "repr", ast.literal_eval(body)
    except (ValueError, SyntaxError):
        pass
    if re.fullmatch(r"[A-Za-z]+=[^ ]*(&[A-Za-z]+=[^ ]*)*", body):
        value = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        for name in ("jobs", "eventRanges", "Returns", "Command"):
            if name in value:
                value[name] = decode(value[name])
        return "form", value
    return "text", body


def plain(value):
    """What may differ between two servers, made equal."""
    if isinstance(value, dict):
        value = {k: plain(v) for k, v in value.items() if k not in ("logGUID", "jobName", "prodUserID")}
        if "eventRangeID" in value:
            number = value["eventRangeID"].split("-")
            span = value["lastEvent"] - value["startEvent"]
            return (tuple(sorted(value)), number[0], number[1], number[4], span, value["scope"])
        return value
    if isinstance(value, (list, tuple)):
        value = [plain(v) for v in value]
        return sorted(value, key=repr) if value and isinstance(value[0], tuple) else value
    return value


class Replay:
    def __init__(self):
        self.failures = []
        self.compared = self.compared_rows = 0
        options = argparse.Namespace(api="both", seed=1, tls=False)
        self.admin, ready = fake_panda.start(options, "")
        self.port = int(ready["url"].rsplit(":", 1)[1])
        self.world = self.admin.world

    # ---- setting up -------------------------------------------------------------------------------------------

    def fresh(self, sent=False, given=(), **task):
        """A new table with one task."""
        table = self.world.table
        production = self.world.calls
        table.__init__(1)
        table.auto_adder = False
        table.merge_jobs_here = True  # The recorded server knew one queue only.
        production.classic = production.v1 = True
        made = table.make_task(**task) if task is not None else {}
        if sent:
            table.get_jobs("TEST_HPC", len(made["pandaIDs"]) if sent is True else sent, "managed", "nid00001")
        if given:
            table.assign(made["pandaIDs"][0], set(given))
        return made

    def job(self, panda_id=6900000001, **what):
        self.admin.job(panda_id, **what)

    # ---- one exchange -----------------------------------------------------------------------------------------

    def send(self, exchange):
        """-> HTTP status, content type, body."""
        request = exchange.request
        if "raw" in request:
            return self.send_raw(request["raw"])
        data = gzip.compress(json.dumps(request["gzip"]).encode()) if "gzip" in request else request["body"].encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
        for name, value in {**request["headers"], "Content-Length": str(len(data))}.items():
            connection.putheader(name, value)
        connection.endheaders(data if request["method"] == "POST" else None)
        answer = connection.getresponse()
        result = answer.status, answer.headers["Content-Type"], answer.read().decode()
        connection.close()
        return result

    def send_raw(self, text):
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()

    def check(self, exchange):
        status, kind, body = self.send(exchange)
        expected_status, expected_kind = exchange.answer["status"], exchange.answer["type"]
        expected = exchange.answer["body"]
        where = "%s %s (%s)" % (exchange.file, exchange.number, exchange.what)
        self.compared += 1
        if (status, kind) != (expected_status, expected_kind):
            self.failures.append("%s: %s %s instead of %s %s: %s" % (where, status, kind, expected_status, expected_kind, body[:300]))
            return
        shape, value = decode(body)
        expected_shape, expected_value = decode(expected)
        if exchange.answer.get("cut"):
            if shape not in ("json", "repr") or body[:20] != expected[:20]:
                self.failures.append("%s: %s" % (where, body[:200]))
            return
        if "Type not serializable" in expected:
            value, expected_value = sorted(body), sorted(expected)
        if "Type not serializable" not in expected and (shape, plain(value)) != (expected_shape, plain(expected_value)):
            self.failures.append("%s:\n   got      %s %s\n   expected %s %s" % (where, shape, plain(value), expected_shape,
                                                                               plain(expected_value)))
        elif value != expected_value and "Type not" in expected:
            self.failures.append("%s: %s" % (where, body))

    # ---- rows -------------------------------------------------------------------------------------------------

    def check_rows(self, exchange, tables):
        for title, rows in tables:
            self.compared_rows += 1
            where = "%s %s (%s), rows %s" % (exchange.file, exchange.number, exchange.what, title)
            if "job_processid" in rows[0] and "objstore_id" in rows[0]:
                self.compare(where, self.event_rows(rows), [self.event_row(r, rows[0]) for r in rows])
            elif "first" in rows[0]:
                got = {}
                for row in self.world.table.all_rows():
                    key = (row.panda_id, row.status)
                    got[key] = got.get(key, 0) + 1
                self.compare(where, got, {(int(r["pandaid"]), int(r["status"])): int(r["n"]) for r in rows})
            elif "lfn" in rows[0]:
                zips = {z["lfn"]: z for z in self.world.table.zips.values()}
                for row in rows:
                    mine = zips.get(row["lfn"], {})
                    names = ("type", "status", "fsize", "checksum", "destinationse", "dispatchdblocktoken")
                    self.compare(where + " " + row["lfn"], [show(mine.get(n)) for n in names], [row[n] for n in names])
            elif "jobstatus" in rows[0]:
                jobs = self.world.table.jobs
                for row in rows:
                    job = jobs[int(row["pandaid"])]
                    mine = {"jobstatus": job.status, "jobsubstatus": job.sub_status, "nevents": job.n_events,
                            "attemptnr": job.attempt, "modificationhost": job.host, "batchid": job.batch_id,
                            "pilotid": job.pilot_id, "commandtopilot": job.command, "taskbuffererrorcode": job.error,
                            "taskbuffererrordiag": job.error_diag, "eventservice": job.event_service, "jobsetid": job.jobset,
                            "maxattempt": job.max_attempt}
                    names = [n for n in row if n in mine]
                    self.compare("%s %s" % (where, row["pandaid"]), {n: show(mine[n]) for n in names}, {n: row[n] for n in names})

    def event_rows(self, like):
        wanted = {(int(r["pandaid"]), int(r["job_processid"])) for r in like}
        rows = [r for r in self.world.table.all_rows() if (r.panda_id, r.process_id) in wanted]
        rows.sort(key=lambda r: (r.process_id, r.panda_id))
        return [self.event_row({"job_processid": r.process_id, "pandaid": r.panda_id, "attemptnr": r.attempt, "status": r.status,
                                "objstore_id": r.objstore, "error_code": r.error_code, "error_diag": r.error_diag,
                                "path_convention": r.path_convention, "ziprow_id": r.zip_row, "is_jumbo": r.is_jumbo}, like[0]) for r in rows]

    @staticmethod
    def event_row(row, columns):
        names = ("job_processid", "pandaid", "attemptnr", "status", "objstore_id", "error_code", "error_diag", "path_convention",
                 "is_jumbo")
        return [show(row.get(n)) for n in names if n in columns] + ["zip" if show(row.get("ziprow_id")) != "NULL" else "-"]

    def compare(self, where, got, expected):
        if got != expected:
            self.failures.append("%s:\n   got      %s\n   expected %s" % (where, got, expected))

    def run(self, exchanges):
        setups = make_setups(self)
        for exchange in exchanges:
            if exchange.file.startswith("15"):
                continue  # TLS has tests of its own.
            key = (exchange.file[:2] + ("h" if exchange.file.endswith("head") else ""), exchange.number)
            for setup in setups.get(key, ()):
                setup()
            self.check(exchange)
            if exchange.rows_after_adder is not None:
                table = self.world.table
                for job in list(table.jobs.values()):  # Some recordings leave out the last updateJob.
                    if job.status == "sent" and job.event_service == 1 and job.rows:
                        table.update_job(job.panda_id, "finished", job.attempt)
                self.check_rows(exchange, exchange.rows)
                table.run_adder()
                self.check_rows(exchange, exchange.rows_after_adder)
            else:
                self.check_rows(exchange, exchange.rows)


def show(value):
    return "NULL" if value is None else str(value)


def make_setups(replay):
    """(file, number of the exchange) -> what its recording had set up just before it."""
    fresh, job, table = replay.fresh, replay.job, replay.world.table
    setups = {}

    def before(file, numbers, *steps):
        for number in numbers:
            setups[file, str(number)] = steps

    before("01", (1, 2, 7, 8, 10, 17, 21, 23, 24), lambda: fresh())
    before("01", (5, 6), lambda: fresh(jobs=3))
    before("02", (1,), lambda: fresh(sent=True, events=20))
    before("02", (14,), lambda: fresh(sent=True, events=40))
    for number, state in ((18, "activated"), (19, "holding"), (20, "transferring"), (21, "starting"), (22, "running")):
        before("02", (number,), lambda state=state: job(status=state))
    before("02", (23,), lambda: job(command="tobekilled"))
    before("02", (26,), lambda: fresh(sent=True, events=20, file_count=2, per_range=5))
    before("02", (27,), lambda: fresh(sent=True, events=6, jumbo=True))
    before("03", (1,), lambda: fresh(sent=True, events=60, given=MOST))
    before("03", (18,), lambda: job(command="tobekilled"))
    before("03", (19,), lambda: job(sup_error=122))
    before("03", (20,), lambda: job(status="holding"))
    before("04", (1,), lambda: fresh(sent=True, events=60, given=MOST))

    def second_task():
        table.make_task(task=40000002, files=[{"lfn": "EVNT.b", "events": 5, "id": 5000004}])
        table.get_jobs("TEST_HPC", 1, "managed", "n")
        table.assign(6900000003, {1})

    before("04", (17,), second_task)
    before("05", (1,), lambda: fresh(sent=True, events=60, given=set(range(1, 42)) - {11}))
    before("05", (14,), lambda: fresh(sent=True, events=60, jumbo=True, given={2, 3, 4, 5}))
    before("05", (15,), lambda: fresh(events=6))
    before("06", (1, 25), lambda: fresh(sent=True))
    before("06", (16,), lambda: job(command="tobekilled"))
    before("06", (18,), lambda: job(command="", sup_error=122))
    before("06", (19,), lambda: job(sup_error=0, debug=True))
    before("06", (20,), lambda: job(command="tobekilled"))
    before("06", (22,), lambda: job(command="", debug=False))
    before("07", (1,), lambda: fresh(sent=True, events=10))
    before("07", (3,), lambda: table.assign(6900000001, {2, 3, 4, 5}))
    before("09", (1,), lambda: fresh(sent=2, events=12, jobs=3))
    # The recorded answer gave range 1 to the second job.
    before("09", (4,), lambda: give_first(table))
    before("10", (1, 6, 7, 16), lambda: fresh())
    before("10", (3,), lambda: fresh(jobs=2))
    before("10", (21,), lambda: job(command="tobekilled"))
    before("10", (23,), lambda: job(command=""))
    before("11", (1,), lambda: fresh(sent=True, events=30))
    before("11", (9,), lambda: fresh(sent=True, events=30, given=set(range(1, 15)) - {11}))
    before("12", (1,), lambda: fresh())
    before("12h", (1,), lambda: setattr(replay.world.calls, "classic", False))
    before("14", (1,), lambda: fresh(sent=True, events=8, given=set(range(1, 9))), lambda: setattr(table, "stumbles", True))
    before("16", (1,), lambda: fresh(events=6))
    before("16", (12,), lambda: fresh(sent=True, events=4, given={1, 2, 3, 4}))

    def all_alone():
        fresh(sent=True, events=4, given={1, 2, 3, 4})
        items = [{"eventRangeID": "40000001-6900000001-5000001-%d-3" % n, "eventStatus": "finished", "objstoreID": 5,
                  "pathConvention": 1000} for n in range(1, 5)]
        table.update_event_ranges(json.dumps(items))
        table.update_job(6900000001, "finished", 1)
        table.run_adder()

    before("16", (14,), all_alone)
    return setups


def give_first(table):
    """Swaps ranges so that the second job holds range 1, as in the recording."""
    first, second = table.jobs[6900000001], table.jobs[6900000003]
    key = (5000001, 1)
    if key in first.rows:
        row = first.rows.pop(key)
        other_key = next(iter(second.rows))
        other = second.rows.pop(other_key)
        row.panda_id, other.panda_id = second.panda_id, first.panda_id
        second.rows[key], first.rows[other_key] = row, other


def main():
    replay = Replay()
    replay.run(read_examples(sys.argv[1]))
    for failure in replay.failures:
        print(failure)
    print("%d answers and %d lists of rows compared, %d differ" % (replay.compared, replay.compared_rows, len(replay.failures)))
    sys.stdout.flush()
    os._exit(1 if replay.failures or replay.compared < 200 else 0)


assert STATUS_NAMES[3] == "finished"
if __name__ == "__main__":
    main()
