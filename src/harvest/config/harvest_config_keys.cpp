// SPDX-License-Identifier: Apache-2.0
// Every key of harvest with its default and meaning.
#include "harvest/config/harvest_config.hpp"

namespace yoda {

using Kind = HarvestConfig::Key::Kind;

std::vector<HarvestConfig::Key> const& HarvestConfig::keys()
{
    static std::vector<Key> const list{
        {"panda.url", Kind::list, "", "addresses of the PanDA server, https://host:port, tried in order"},
        {"panda.api", Kind::choice, "auto", "auto (asked once), classic or v1"},
        {"panda.plain_http", Kind::yes_no, "no", "allow http:// beyond this machine"},
        {"panda.connect_timeout", Kind::seconds, "30 s", "for a connection"},
        {"panda.timeout", Kind::seconds, "180 s", "for a request and its answer"},
        {"panda.proxy_file", Kind::text, "", "X.509 proxy, mode 0600; empty: $X509_USER_PROXY"},
        {"panda.cert_file", Kind::text, "", "certificate instead of a proxy"},
        {"panda.key_file", Kind::text, "", "its key, mode 0600"},
        {"panda.ca_file", Kind::text, "", "certificates of those we trust"},
        {"panda.ca_folder", Kind::text, "", "the same as a folder; empty: $X509_CERT_DIR"},
        {"panda.token_file", Kind::text, "", "OIDC token, mode 0600; empty: $OIDC_AUTH_TOKEN"},
        {"panda.origin", Kind::text, "", "vo or vo.role, sent with the token"},
        {"panda.refreshed_token_file", Kind::text, "", "where a renewed token is kept"},
        {"panda.token_key_file", Kind::text, "", "what renews the token, mode 0600"},
        {"panda.site", Kind::text, "", "PanDA queue"},
        {"panda.source_label", Kind::text, "managed", "prodSourceLabel of the jobs to take"},
        {"panda.node", Kind::text, "", "host that jobs are said to run on; empty: this one"},
        {"panda.computing_element", Kind::text, "", "computingElement in updates"},
        {"panda.harvester_id", Kind::text, "", "who we are among harvesters"},
        {"panda.scheduler_id", Kind::text, "", "schedulerID in updates"},
        {"panda.pilot_id", Kind::text, "", "pilotID in updates: id|...|batch system|tag|version"},
        {"panda.heartbeat", Kind::seconds, "1800 s", "how often PanDA hears of each job"},
        {"panda.debug_heartbeat", Kind::seconds, "300 s", "the same while PanDA asked for debugging"},
        {"panda.report_chunk", Kind::count, "10000", "ranges in one report, at most 100,000"},
        {"panda.final_limit", Kind::seconds, "172800 s",
         "a final state that PanDA does not take is given up"},
        {"panda.log_limit", Kind::seconds, "7200 s", "a job that lacks only its log tarball waits so long"},
        {"report.fatal", Kind::yes_no, "no",
         "ranges that can work nowhere are reported as fatal: PanDA then discards all events of their file"},
        {"queue.source", Kind::text, "", "file or URL of the queue's description (CRIC or AGIS JSON)"},
        {"queue.endpoints", Kind::text, "", "file or URL of the storage endpoints (ddmendpoints JSON)"},
        {"queue.cache", Kind::text, "", "folder for copies of both; empty: ~/.cache/yoda"},
        {"queue.cache_time", Kind::seconds, "3600 s", "how old a copy may be before it is asked for again"},
        {"fetch.jobs", Kind::count, "1", "jobs of one run, at most"},
        {"fetch.resource_type", Kind::text, "", "resource_type of the jobs to take"},
        {"fetch.job_type", Kind::text, "", "job type to take"},
        {"fetch.job_seed", Kind::text, "", "kinds of jobs of the queue (jobseed); std: none for us"},
        {"fetch.working_group", Kind::text, "", "working group to take jobs of (classic interface)"},
        {"fetch.chunk", Kind::count, "10000", "ranges in one request"},
        {"fetch.nodes", Kind::count, "1", "nodes of the batch job"},
        {"fetch.cores", Kind::count, "1", "cores of a node"},
        {"fetch.walltime", Kind::seconds, "0 s", "of the batch job; 0: do not count by it"},
        {"fetch.overhead", Kind::seconds, "900 s", "of the walltime, not for events: start, sealing"},
        {"fetch.seconds_per_event", Kind::seconds, "0 s", "on one core; 0: unknown, do not count by it"},
        {"fetch.open", Kind::yes_no, "no", "more ranges are fetched while yoda runs (harvest fetch --more)"},
        {"input.folders", Kind::list, "", "where inputs are looked for: LFN, scope/LFN, Rucio's path"},
        {"input.checksums", Kind::yes_no, "yes", "check them; no: sizes only"},
        {"input.stage_folder", Kind::text, "", "shared folder that inputs are staged into"},
        {"input.stage_limit", Kind::bytes, "14 GB", "bytes staged in for one job, at most (maxinputsize)"},
        {"input.tries", Kind::count, "2", "at each source"},
        {"input.try_time", Kind::seconds, "1800 s", "of each of these"},
        {"input.direct_access", Kind::yes_no, "no", "jobs that allow it read from the store"},
        {"push.parallel", Kind::count, "8", "files at once"},
        {"push.bandwidth", Kind::bytes, "0", "bytes a second, of all together; 0: no limit"},
        {"push.report", Kind::yes_no, "yes", "local data waits until PanDA knows of it; no PanDA: no"},
        {"push.clean", Kind::yes_no, "yes", "remove local data in the end"},
        {"push.keep", Kind::seconds, "0 s", "local data stays so long after it was reported"},
        {"push.failover_after", Kind::count, "3", "failures of a file until es_failover is tried"},
        {"push.first_wait", Kind::seconds, "60 s", "after a failure; doubles"},
        {"push.longest_wait", Kind::seconds, "3600 s", "the longest of these waits"},
        {"push.give_up_after", Kind::count, "20", "failures of a store in a row that end this call"},
        {"push.time", Kind::seconds, "0 s", "no file is begun after so long; 0: no limit"},
        {"push.part_size", Kind::bytes, "16 MiB", "larger files go in parts"},
        {"push.parts_at_once", Kind::count, "4", "parts of a file on the wire"},
        {"push.read_back", Kind::yes_no, "yes", "read what a store names no checksum for"},
        {"push.single_objects", Kind::yes_no, "no", "an object for each output, no bundles (not_es_to_zip)"},
        {"push.job_stores", Kind::yes_no, "yes", "a job's own prodDBlockTokenForOutput goes first"},
        {"push.alternative", Kind::choice, "off",
         "outputs to ordinary storage (store.pw): off; on, when object stores fail; force, at once"},
        {"push.remove_dropped", Kind::yes_no, "no", "remove the objects of jobs that PanDA took back"},
        {"log.file", Kind::text, "", "log of harvest, beside what it says on the terminal"},
        {"log.size", Kind::bytes, "64 MB", "the log is begun anew at this size, two old ones stay"},
    };
    return list;
}

std::vector<HarvestConfig::Key> const& HarvestConfig::store_keys()
{
    static std::vector<Key> const list{
        {"url", Kind::text, "", "s3://, s3+http://, davs://, https://, root://, file:///"},
        {"name", Kind::text, "", "of the storage (RSE), for people"},
        {"objstore_id", Kind::count, "0", "number of the storage in PanDA"},
        {"path_convention", Kind::count, "0", "PanDA's pathConvention for buckets; 0: none"},
        {"region", Kind::text, "us-east-1", "S3 region"},
        {"virtual_host", Kind::yes_no, "no", "the bucket is in the host name"},
        {"create_bucket", Kind::yes_no, "no", "make a missing bucket"},
        {"bind_by", Kind::choice, "md5", "md5 or sha256: what binds the bytes to a request"},
        {"key_file", Kind::text, "", "S3 keys, mode 0600; empty: the environment"},
        {"key_profile", Kind::text, "default", "section of key_file"},
        {"panda_public_key", Kind::text, "", "names of the keys that PanDA gives (getKeyPair) ..."},
        {"panda_private_key", Kind::text, "", "... instead of key_file; held in memory only"},
        {"panda_proxy", Kind::text, "",
         "PandaProxy that signs URLs with these keys, https://host:25128/proxy/panda"},
        {"token_file", Kind::text, "", "bearer token, mode 0600"},
        {"overwrite_by_move", Kind::yes_no, "yes", "WebDAV: PUT under another name, then MOVE"},
        {"cert_file", Kind::text, "", "X.509 certificate or proxy"},
        {"cert_key_file", Kind::text, "", "its key, when it is not in cert_file"},
        {"ca_file", Kind::text, "", "certificates of those we trust"},
        {"ca_folder", Kind::text, "", "the same as a folder"},
        {"rucio_paths", Kind::yes_no, "no", "<scope>/<md5[0:2]>/<md5[2:4]>/<lfn>"},
        {"scope", Kind::text, "transient", "scope in such paths"},
    };
    return list;
}

}  // namespace yoda
