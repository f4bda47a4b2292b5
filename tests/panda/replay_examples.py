#!/usr/bin/python3
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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import fake_panda  # noqa: E402
from panda_table import STATUS_NAMES  # noqa: E402

MOST = set(range(1, 22)) - {3}


class Exchange:
    def __init__(self, file, number, title):
        self.file, self.number, self.title = file, number, title
        self.request, self.response = [], []
        self.rows = []      # (title, [dict of column -> text]) that follow it
        self.adder = False  # the recording ran the adder after it

    @property
    def body(self):
        lines = self.request
        end = next((i for i, line in enumerate(lines) if line.startswith("    form fields:")), len(lines))
        blank = next((i for i, line in enumerate(lines) if not line), None)
        return "\n".join(lines[blank + 1:end]) if blank is not None else ""


# Lists of rows that follow a setup which the recording does not show: (file, exchange) -> how many of its lists count.
ROWS_THAT_FOLLOW = {("09_two_consumers", 4): 1, ("16_full_cycle", 13): 0}


def read_examples(folder):
    exchanges = []
    for name in sorted(os.listdir(folder)):
        lines = [line.rstrip("\r\n") for line in open(os.path.join(folder, name), encoding="utf-8")]
        part = None
        at = 0
        while at < len(lines):
            line = lines[at]
            if line.startswith("=== "):
                match = re.match(r"=== (\d+)\. (.*)", line)
                number = int(match.group(1)) if match else line[4:12]
                exchanges.append(Exchange(name.split(".")[0], number, line[4:]))
                part = None
            elif line == ">>> request":
                part = exchanges[-1].request
            elif line == "<<< response":
                part = exchanges[-1].response
            elif line.startswith("--- rows: "):
                part = None
                if exchanges and exchanges[-1].file == name.split(".")[0]:
                    exchanges[-1].rows.append((line[10:], read_rows(lines, at + 1)))
            elif line.startswith("$ adder"):
                part = None
                exchanges[-1].adder = True
            elif line.startswith("# "):
                part = None
            elif part is not None:
                part.append(line)
            at += 1
    for exchange in exchanges:
        exchange.rows = exchange.rows[:ROWS_THAT_FOLLOW.get((exchange.file, exchange.number), 99)]
    return exchanges


def read_rows(lines, at):
    columns = [c.strip() for c in lines[at].split("|")]
    rows = []
    while at + 1 < len(lines) and not lines[at + 1].strip().startswith("("):
        at += 1
        values = [v.strip() for v in lines[at].split(" | ")]
        if len(values) == len(columns):  # A value may hold the separator itself.
            rows.append(dict(zip(columns, values)))
    return rows


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


def parse_response(lines):
    head = lines[0].split()
    headers = {}
    at = 1
    while at < len(lines) and lines[at]:
        name, _, value = lines[at].partition(": ")
        headers[name] = value
        at += 1
    return int(head[1]), headers.get("Content-Type", ""), "\n".join(lines[at + 1:]).strip()


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
        first = exchange.request[0].split(" ")
        verb, path = first[0], " ".join(first[1:-1]).replace(" ", "%20")
        headers = {}
        for line in exchange.request[1:]:
            if not line or ": " not in line:
                break
            name, _, value = line.partition(": ")
            headers[name] = value
        body = exchange.body
        if body.startswith("<gzip"):
            content = body[9:-1] if body.startswith("<gzip of") else json.dumps(
                {"site_name": "TEST_HPC", "prod_source_label": "managed", "node": "nid00001"})
            data = gzip.compress(content.encode())
        elif "600 x 'x'" in body:
            items = [{"eventRangeID": "40000001-6900000001-5000001-7-3", "eventStatus": "failed", "errorDiag": "x" * 600}]
            data = urllib.parse.urlencode({"eventRanges": json.dumps(items)}).encode()
        else:
            data = body.replace("<600 x>", "x" * 600).encode()
            if headers.get("Content-Type", "").startswith("multipart"):
                data = body.replace("\n", "\r\n").encode() + b"\r\n"
        if headers.get("Transfer-Encoding") or headers.get("Content-Length") == "500":
            return self.send_raw(exchange)
        headers["Content-Length"] = str(len(data))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(verb, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders(data if verb == "POST" else None)
        answer = connection.getresponse()
        result = answer.status, answer.headers["Content-Type"], answer.read().decode()
        connection.close()
        return result

    def send_raw(self, exchange):
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall("\r\n".join(exchange.request).encode())
            connection.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
        return parse_response(data.decode().replace("\r\n", "\n").split("\n"))

    def check(self, exchange):
        status, kind, body = self.send(exchange)
        expected_status, expected_kind, expected = parse_response(exchange.response)
        where = "%s %s" % (exchange.file, exchange.title)
        self.compared += 1
        if (status, kind) != (expected_status, expected_kind):
            self.failures.append("%s: %s %s instead of %s %s: %s" % (where, status, kind, expected_status, expected_kind, body[:300]))
            return
        shape, value = decode(body)
        expected_shape, expected_value = decode(expected)
        if len(expected) > 100 and expected_shape == "text" and not expected[:1].isalpha():
            if shape not in ("json", "repr") or body[:20] != expected[:20]:
                self.failures.append("%s: %s" % (where, body[:200]))
            return  # The recorder cut this answer.
        if "Type not serializable" in expected:
            value, expected_value = sorted(body), sorted(expected)
        if "Type not serializable" not in expected and (shape, plain(value)) != (expected_shape, plain(expected_value)):
            self.failures.append("%s:\n   got      %s %s\n   expected %s %s" % (where, shape, plain(value), expected_shape,
                                                                               plain(expected_value)))
        elif value != expected_value and "Type not" in expected:
            self.failures.append("%s: %s" % (where, body))

    # ---- rows -------------------------------------------------------------------------------------------------

    def check_rows(self, exchange):
        for title, rows in exchange.rows:
            if not rows or "before" in title or "Report" in title:
                continue
            self.compared_rows += 1
            where = "%s %s, rows %s" % (exchange.file, exchange.title, title)
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
            if exchange.file.startswith(("13", "15")) or not exchange.request:
                continue  # Sizes and times; TLS has tests of its own.
            key = (exchange.file[:2] + ("h" if exchange.file.endswith("head") else ""), exchange.number)
            for setup in setups.get(key, ()):
                setup()
            self.check(exchange)
            if exchange.adder:
                table = self.world.table
                for job in list(table.jobs.values()):  # Some recordings leave out the last updateJob.
                    if job.status == "sent" and job.event_service == 1 and job.rows:
                        table.update_job(job.panda_id, "finished", job.attempt)
                # Rows listed before the adder ran show what it found, those after it what it made of that.
                if len(exchange.rows) > 2:
                    before, exchange.rows = exchange.rows[:-2], exchange.rows[-2:]
                    keep, exchange.rows = exchange.rows, before
                    self.check_rows(exchange)
                    exchange.rows = keep
                table.run_adder()
            self.check_rows(exchange)


def show(value):
    return "NULL" if value is None else str(value)


def make_setups(replay):
    """(file, number of the exchange) -> what its recording had set up just before it."""
    fresh, job, table = replay.fresh, replay.job, replay.world.table
    setups = {}

    def before(file, numbers, *steps):
        for number in numbers:
            setups[file, number] = steps

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
    if not os.path.isdir(sys.argv[1]):
        print("no recorded examples at " + sys.argv[1])
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
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
