# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What all job scripts share: launch one yoda on the hosts of this job, pass signals on, end in any case.
# Sourced by slurm/yoda.sh, pbs/yoda.sh and local/yoda.sh, which set YODA_HOSTS (an array) and say how to launch.
#
# Reads (defaults in brackets):
#   YODA_RUN         the run folder
#   YODA             the program [yoda, from PATH]
#   YODA_ARGUMENTS   more words for yoda, e.g. "--set payload.workers=60"
#   YODA_LAUNCHER    mpirun or srun [as the script says]
#   YODA_MPI_ARGUMENTS  more words for the launcher
#   YODA_WRAP        words before yoda, e.g. "apptainer exec --bind /scratch yoda.sif"
#   YODA_SETUP       a file to source first (module load ..., export ...)
#   YODA_SCRATCH     node-local folder for payloads' work [$TMPDIR or /tmp of each node]
#   YODA_END_TIME    unix seconds at which the job is killed; one that has passed is not used [asked of the batch system]
#   YODA_WALLTIME_S  seconds from this script's start to the end, where nobody tells the end; harvest submit sets it
#   YODA_MARGIN_S    seconds to be gone before that [30]
#   YODA_GRACE_S     seconds between asking the launcher to end and killing it [30]
#   YODA_ACCESS_POINT  of a Harvester: it hears there what ended [as harvest fetch --access-point has noted in the run]
#   YODA_DUMP_WAIT_S seconds that Harvester gets to take the last of it, before this job ends [300]
#   YODA_HARVEST     the program that tells it [harvest, beside $YODA]
#   YODA_SILENT_S    the same bytes in status.json for so long: rank 0 is gone, the launcher is killed [1800]
#   YODA_JOB_NAME    set by harvest submit: name of this submission
#   YODA_DRY_RUN     print what would be launched, and end
# Exit code: yoda's own (docs/operations.md), from RUN/result.<life>.json, or, where no life began, from what its rank 0
# leaves in $YODA_LAST_WORD: a launcher's says nothing after a lost node.

# A signal may come before anything runs (Slurm sends its early one up to a minute early).
yoda_drain=
trap 'yoda_drain=yes' USR1

yoda_began=$(date +%s)

# Sets yoda_uptime_s. Wall clocks step, and bash's SECONDS follows them.
yoda_read_uptime() {
  read -r yoda_uptime_s _ </proc/uptime || yoda_uptime_s=$SECONDS
  yoda_uptime_s=${yoda_uptime_s%%.*}
}

# Takes $1 as the end of this job if it is unix seconds still to come. Batch systems also say "N/A", "NONE" or nothing.
yoda_take_end() {
  case ${1-} in '' | *[!0-9]*) return 1 ;; esac
  [ "$1" -gt "$(date +%s)" ] && YODA_END_TIME=$((10#$1))
}

# The end by the walltime that this job was submitted with.
yoda_take_walltime() {
  case ${YODA_WALLTIME_S-} in '' | *[!0-9]*) return 1 ;; esac
  yoda_take_end $((yoda_began + 10#$YODA_WALLTIME_S))
}

# Sets yoda_told, by which one word of rank 0 is told from the next. What cannot be read is no change. The file's time
# is not asked: a file server's clock, or that of another node, is not ours.
yoda_read_status() {
  local told
  { told=$(cksum <"$YODA_RUN/status.json") && yoda_told=$told; } 2>/dev/null
}

yoda_say() { printf '%s yoda job: %s\n' "$(date -u +%FT%TZ)" "$*"; }

yoda_die() {
  yoda_say "$*" >&2
  yoda_note_end 4
  exit 4
}

# harvest learns from these notes how the job ended, also when the batch system has forgotten it.
yoda_note_end() {
  [ -n "${YODA_JOB_NAME-}" ] && [ -d "$YODA_RUN/batch" ] || return 0
  printf '{"exit_code": %d}\n' "$1" >"$YODA_RUN/batch/$YODA_JOB_NAME.ended.part" &&
    mv "$YODA_RUN/batch/$YODA_JOB_NAME.ended.part" "$YODA_RUN/batch/$YODA_JOB_NAME.ended"
}

# The highest life that has left its result; 0: none has.
yoda_last_result() {
  local name number last=0
  for name in "$YODA_RUN"/result.*.json; do
    number=${name##*/result.}
    number=${number%.json}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -gt "$last" ] && last=$number
  done
  echo "$last"
}

yoda_prepare() {
  : "${YODA_RUN:?set YODA_RUN to the run folder}"
  YODA_RUN=${YODA_RUN%/}
  [ -n "${YODA_JOB_NAME-}" ] && rm -f "$YODA_RUN/batch/$YODA_JOB_NAME.ended"  # Of this job before it was requeued.
  [ -e "$YODA_RUN/job.json" ] || yoda_die "$YODA_RUN is no run folder (no job.json); was it moved?"
  if [ -n "${YODA_JOB_NAME-}" ] && [ -e "$YODA_RUN/batch/current" ]; then
    local current
    current=$(cat "$YODA_RUN/batch/current")
    if [ "$current" != "$YODA_JOB_NAME" ]; then
      yoda_say "another submission ($current) has taken this one's place: nothing to do"
      yoda_note_end 3
      exit 0
    fi
  fi
  # A login environment that was itself inside an MPI job would make every rank a stranger's.
  local name
  for name in ${!OMPI_COMM_@} ${!PMI_@} ${!PMIX_RANK@} ${!PMIX_NAMESPACE@} ${!PMIX_SERVER@} ${!SLURM_CPU_BIND@} DISPLAY; do
    unset "$name"
  done
  # sbatch --export=NONE, or qsub -v by Slurm's wrapper, is about the login node's environment: our ranks need that of this job.
  export SLURM_EXPORT_ENV=ALL
  ulimit -c 0
  if [ -n "${YODA_SETUP-}" ]; then
    # shellcheck disable=SC1090
    . "$YODA_SETUP" || yoda_die "YODA_SETUP=$YODA_SETUP failed"
  fi
  YODA=${YODA:-yoda}
  [ -n "${YODA_WRAP-}" ] || command -v "$YODA" >/dev/null || yoda_die "there is no program $YODA: set YODA"
  [ "${#YODA_HOSTS[@]}" -gt 0 ] || yoda_die "the batch system names no hosts"
  read -ra yoda_words <<<"${YODA_ARGUMENTS-}"
  read -ra yoda_wrap <<<"${YODA_WRAP-}"
  read -ra yoda_mpi_words <<<"${YODA_MPI_ARGUMENTS-}"
  [ -n "${YODA_SCRATCH-}" ] && yoda_words+=(--set "work.folder=$YODA_SCRATCH")
  if yoda_take_end "${YODA_END_TIME-}"; then
    yoda_say "this job ends at $(date -u -d "@$YODA_END_TIME" +%FT%TZ)"
    YODA_END_TIME=$((YODA_END_TIME - ${YODA_MARGIN_S:-30}))
    export YODA_END_TIME
  else
    yoda_say "the end of this job is not known${YODA_END_TIME:+ (YODA_END_TIME=$YODA_END_TIME is not a time to come)}"
    unset YODA_END_TIME
  fi
  # In the run folder, so that the next job removes what a killed one has left.
  mkdir -p "$YODA_RUN/logs" && rm -f "$YODA_RUN"/logs/job_hosts.* "$YODA_RUN"/logs/job_end.*
  yoda_hostfile=$YODA_RUN/logs/job_hosts.${SLURM_JOB_ID:-${PBS_JOBID:-$$}}
  export YODA_LAST_WORD=$YODA_RUN/logs/job_end.${SLURM_JOB_ID:-${PBS_JOBID:-$$}}
  # Rank 0 beside the first host's Droid: it naps, so no core is lost to it.
  printf '%s\n' "${YODA_HOSTS[0]}" "${YODA_HOSTS[@]}" >"$yoda_hostfile" || yoda_die "cannot write to $YODA_RUN/logs"
  yoda_ranks=$((${#YODA_HOSTS[@]} + 1))
}

yoda_build_command() {
  local -a target=("${yoda_wrap[@]}" "$YODA" "$YODA_RUN" --quiet "${yoda_words[@]}")
  case ${YODA_LAUNCHER:-mpirun} in
    mpirun)
      # --enable-recovery: a dead rank is Yoda's business, not the launcher's. plm_slurm_args: else Slurm kills the
      # survivors when it notices the node.
      yoda_command=(mpirun --enable-recovery --mca plm_slurm_args --no-kill --mca odls_base_sigkill_timeout 10
        --oversubscribe --bind-to none)
      [ "${YODA_HOSTS[*]}" = localhost ] || yoda_command+=(--hostfile "$yoda_hostfile" --map-by seq)
      yoda_command+=("${yoda_mpi_words[@]}" -n "$yoda_ranks" "${target[@]}")
      ;;
    srun)
      export SLURM_HOSTFILE=$yoda_hostfile
      unset SLURM_NTASKS_PER_NODE SLURM_TASKS_PER_NODE  # The job's own shape is not this step's.
      yoda_command=(srun "--mpi=${YODA_MPI_TYPE:-pmix}" --distribution=arbitrary --ntasks="$yoda_ranks" --overcommit
        --cpu-bind=none --no-kill --kill-on-bad-exit=0 --wait=0 "${yoda_mpi_words[@]}" "${target[@]}")
      ;;
    *) yoda_die "YODA_LAUNCHER=$YODA_LAUNCHER is neither mpirun nor srun" ;;
  esac
}

# Asks the launcher to end, then makes it. $1: why.
yoda_end_launcher() {
  yoda_say "$1: ending the launcher"
  local signal
  for signal in TERM KILL; do
    kill -"$signal" "$yoda_launcher" 2>/dev/null || return 0
    yoda_wait_for_launcher
  done
}

# Until the launcher has ended, or the grace is over.
yoda_wait_for_launcher() {
  yoda_read_uptime
  local end=$((yoda_uptime_s + ${YODA_GRACE_S:-30}))
  while [ "$yoda_uptime_s" -lt "$end" ] && kill -0 "$yoda_launcher" 2>/dev/null; do
    yoda_nap 1
    yoda_read_uptime
  done
}

# Sleeps for $1 s, or less: ends at once with the launcher or at a signal.
yoda_nap() {
  sleep "$1" &
  local nap=$!
  wait -n "$yoda_launcher" "$nap" 2>/dev/null
  kill "$nap" 2>/dev/null
  wait "$nap" 2>/dev/null
}

yoda_watch() {
  local before=$yoda_told last start changed
  yoda_read_uptime
  start=$yoda_uptime_s
  changed=$start
  while kill -0 "$yoda_launcher" 2>/dev/null; do
    yoda_nap "${YODA_WATCH_S:-5}"
    kill -0 "$yoda_launcher" 2>/dev/null || break
    if [ "$(yoda_last_result)" -gt "$yoda_result_before" ] || [ -s "$YODA_LAST_WORD" ]; then
      # Yoda is done; with a lost node the launcher may wait for ever.
      yoda_wait_for_launcher
      kill -0 "$yoda_launcher" 2>/dev/null && yoda_end_launcher "yoda is done, the launcher is not"
      break
    fi
    last=$yoda_told
    yoda_read_status
    yoda_read_uptime
    [ "$yoda_told" = "$last" ] || changed=$yoda_uptime_s
    # Passed on once rank 0 lives: a launcher that is just starting would die of it.
    if [ -n "$yoda_drain" ] && { [ "$yoda_told" != "$before" ] || [ $((yoda_uptime_s - start)) -gt 60 ]; }; then
      yoda_say "draining"
      kill -USR1 "$yoda_launcher" 2>/dev/null
      yoda_drain=
    fi
    if [ -n "$yoda_asked_at" ] && [ $((yoda_uptime_s - yoda_asked_at)) -gt $((${YODA_GRACE_S:-30} * 3)) ]; then
      yoda_end_launcher "told to end"
      break
    fi
    if [ $((yoda_uptime_s - changed)) -gt "${YODA_SILENT_S:-1800}" ]; then
      yoda_end_launcher "status.json has not changed for ${YODA_SILENT_S:-1800} s"
      break
    fi
  done
}

# Tells Harvester what ended, and waits until it has taken that: once this job has ended, it takes what is there and looks no more.
yoda_tell_harvester() {
  local point=${YODA_ACCESS_POINT-} note=$YODA_RUN/panda/access_point
  if [ -z "$point" ] && [ -r "$note" ]; then point=$(head -n 1 "$note"); fi
  [ -n "$point" ] || return 0
  local program=harvest dump=$point/event_status.dump.json told began now naps=0 _
  case $YODA in */*) program=${YODA%/*}/harvest ;; esac
  read -r began _ </proc/uptime  # No step of the wall clock changes the wait.
  yoda_asked_at=
  trap 'yoda_asked_at=$SECONDS' TERM INT
  while :; do
    "${yoda_wrap[@]}" "${YODA_HARVEST:-$program}" report "$YODA_RUN" --access-point "$point" --phase over </dev/null
    told=$?
    if [ "$told" -ne 0 ] && [ "$told" -ne 3 ]; then
      yoda_say "Harvester was not told what ended: harvest report ended with $told" >&2
      break
    fi
    while :; do
      [ "$told" -eq 0 ] && [ ! -e "$dump" ] && break 2
      read -r now _ </proc/uptime
      if [ $((${now%.*} - ${began%.*})) -ge "${YODA_DUMP_WAIT_S:-300}" ] || [ -n "$yoda_asked_at" ] ||
        { [ -n "${YODA_END_TIME-}" ] && [ "$(date +%s)" -ge "$YODA_END_TIME" ]; }; then
        yoda_say "this job ends although Harvester has not taken $dump" >&2
        break 2
      fi
      sleep 1
      # Once a minute the heartbeat is renewed.
      naps=$((naps + 1))
      if [ ! -e "$dump" ] || [ $((naps % 60)) -eq 0 ]; then break; fi
    done
  done
  trap - TERM INT
}

# Runs yoda to its end; returns yoda's exit code.
yoda_run() {
  yoda_prepare
  yoda_build_command
  yoda_say "run $YODA_RUN, ${#YODA_HOSTS[@]} hosts: ${YODA_HOSTS[*]}"
  yoda_say "command: ${yoda_command[*]}"
  if [ -n "${YODA_DRY_RUN-}" ]; then
    rm -f "$yoda_hostfile"
    return 0
  fi
  if [ -n "$yoda_drain" ]; then
    yoda_say "told to drain before anything has begun"
    rm -f "$yoda_hostfile"
    yoda_note_end 3
    return 3
  fi
  yoda_result_before=$(yoda_last_result)
  yoda_asked_at=
  yoda_told=
  yoda_read_status
  "${yoda_command[@]}" </dev/null &
  yoda_launcher=$!
  # USR1 is the word to drain: mpirun and srun pass it on to all ranks. TERM to the launcher would kill them.
  trap 'yoda_read_uptime; yoda_asked_at=$yoda_uptime_s; yoda_drain=yes' TERM INT
  yoda_watch
  local status=0
  wait "$yoda_launcher" 2>/dev/null || status=$?
  trap - TERM INT
  local life code
  life=$(yoda_last_result)
  if [ "$life" -gt "$yoda_result_before" ]; then
    code=$(sed -n 's/.*"exit_code" *: *\([0-9]*\).*/\1/p' "$YODA_RUN/result.$life.json" | head -n 1)
    code=${code:-4}
  elif [ "$yoda_asked_at" ]; then
    code=3
  else
    # No life began: rank 0 has said why, or it died. A container may keep its word from us; of a launcher only usage is believed.
    code=$(cat "$YODA_LAST_WORD" 2>/dev/null)
    case $code in
      [1-4]) ;;
      *)
        code=4
        [ "$status" -eq 2 ] && code=2
        ;;
    esac
  fi
  rm -f "$yoda_hostfile" "$YODA_LAST_WORD"
  yoda_say "yoda ended with $code (launcher $status, life $life)"
  yoda_tell_harvester
  yoda_note_end "$code"
  return "$code"
}
