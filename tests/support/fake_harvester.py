# SPDX-License-Identifier: Apache-2.0
"""A Harvester at one worker's access point, as its shared file messenger, monitor and event feeder were recorded: it writes in place, answers every
request that it meets (over an answer that nobody has taken), takes a dump by renaming it, reads the attributes flat, gives files and events only to a
job that has no final state, and looks no more once it has post-processed the ended worker."""
import json
import os
import urllib.parse

DUMP = "event_status.dump.json"


class FakeHarvester:
    def __init__(self, point, panda_id):
        self.point = point
        self.panda_id = panda_id
        self.status, self.attributes = "starting", {}
        self.files, self.events = {}, {}      # {LFN: its first record}, {eventRangeID: status}
        self.lost = []                        # Records that came for a job with a final state.
        self.wishes, self.overwritten = [], 0
        self.post_processed = self.worker_done = self.killed = False

    def path(self, name):
        return os.path.join(self.point, name)

    def there(self, name):
        return os.path.exists(self.path(name))

    def read(self, name):
        """None: absent, or not JSON."""
        try:
            with open(self.path(name)) as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):
            return None

    def write(self, name, content):
        with open(self.path(name), "w") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))

    def remove(self, name):
        if self.there(name):
            os.remove(self.path(name))

    # -- jobs and ranges

    def feed_job(self, fields, form="json"):
        self.write("HPCJobs.json", {str(self.panda_id): fields} if form == "json" else urllib.parse.urlencode(fields))
        self.remove("worker_requestjob.json")

    def feed_ranges(self, lists, upto=None):
        """The event feeder's turn. `upto`: it is still writing, or died after so many characters; the request stays."""
        wish = self.read("worker_requestevents.json")
        if wish is not None:
            self.wishes.append(wish)
        self.overwritten += self.there("JobsEventRanges.json")
        text = lists if isinstance(lists, str) else json.dumps(lists)
        self.write("JobsEventRanges.json", text[:upto])
        if upto is None:
            self.remove("worker_requestevents.json")

    # -- the monitor

    def monitor(self, worker="running"):
        """One look at a worker that is running, finished, failed or cancelled."""
        if self.worker_done:
            return
        self.killed = self.killed or self.there("kill_worker.json")
        attributes = self.read("worker_attributes.json") or {}
        records = self.take_dump()
        job_runs = self.status not in ("finished", "failed", "cancelled")
        if worker != "running" and not records:
            if not self.post_processed:
                if job_runs:
                    self.write("log.tgz", "logs")
                    self.write(DUMP, {str(self.panda_id): [{"path": self.path("log.tgz"), "type": "log", "isZip": 0}]})
                self.post_processed = True
            else:
                self.worker_done = True
        if not job_runs:
            self.lost += records
        else:
            self.attributes.update(attributes)
            for record in records:
                if "path" in record:
                    self.files.setdefault(os.path.basename(record["path"]), record)
                if "eventRangeID" in record:
                    # The first final status wins.
                    self.events.setdefault(record["eventRangeID"], record["eventStatus"])
            state = self.attributes.get("jobStatus")
            self.status = state if state in ("finished", "failed") else worker if self.worker_done else "running"
        if self.there(DUMP + ".read"):
            os.rename(self.path(DUMP + ".read"), self.path("%s.read.%d" % (DUMP, len(os.listdir(self.point)))))

    def take_dump(self):
        taken = DUMP + ".read"
        if not self.there(taken):
            if not self.there(DUMP):
                return []
            os.rename(self.path(DUMP), self.path(taken))
        content = self.read(taken)
        return content.get(str(self.panda_id), []) if isinstance(content, dict) else []
