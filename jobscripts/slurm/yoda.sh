#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Yoda on Slurm: one Droid per node, and rank 0 beside the Droid of the first node (N nodes, N+1 ranks).
#
# By hand:  edit the lines marked EDIT, then   YODA_RUN=/path/to/run sbatch jobscripts/slurm/yoda.sh
# By harvest submit: nothing to edit; it passes options and variables itself (docs/operations.md).
# Many runs as an array: YODA_RUN_LIST=/path/to/list sbatch --array=1-20 ...; line N of the list is the run of task N.
# The same job again, or a requeued one, goes on where the last one stopped.
#
#SBATCH --job-name=yoda
#SBATCH --nodes=2                  # EDIT: nodes
#SBATCH --time=01:00:00            # EDIT: walltime
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive                # EDIT: or --cpus-per-task=N where nodes are shared
##SBATCH --account=PROJECT         # EDIT, where the site wants it
##SBATCH --qos=regular             # EDIT, where the site wants it
##SBATCH --constraint=cpu          # EDIT, where the site wants it
#SBATCH --no-kill
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@120
#SBATCH --output=yoda-%j.log
#
# EDIT: where things are. Variables given from outside win; run_yoda.sh lists them all.
: "${YODA_JOBSCRIPTS:=${SLURM_SUBMIT_DIR:-.}/jobscripts}"   # the folder with run_yoda.sh
: "${YODA:=yoda}"                                           # the program, if it is not in PATH
: "${YODA_LAUNCHER:=srun}"                                  # srun (PMIx), or mpirun where Slurm lacks PMIx
: "${YODA_SETUP:=}"                                         # file to source: module load ..., export ...
: "${YODA_SCRATCH:=${BB_JOB_LOCAL:-${DW_JOB_PRIVATE:-}}}"   # node scratch or burst buffer; empty: $TMPDIR or /tmp
: "${YODA_WALLTIME_S:=}"                                    # walltime in seconds, for when Slurm does not tell the end
: "${YODA_REQUEUE:=no}"                                     # yes: not complete when the time is up -> queue again

# shellcheck source=../run_yoda.sh
. "$YODA_JOBSCRIPTS/run_yoda.sh" || { echo "YODA_JOBSCRIPTS=$YODA_JOBSCRIPTS has no run_yoda.sh" >&2; exit 4; }

if [ -n "${YODA_RUN_LIST-}" ] && [ -n "${SLURM_ARRAY_TASK_ID-}" ]; then
  YODA_RUN=$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$YODA_RUN_LIST")
fi
if [ -z "${SLURM_JOB_ID-}" ] && [ -z "${YODA_DRY_RUN-}" ]; then
  yoda_say "this is no Slurm job: submit it with sbatch" >&2
  exit 2
fi
unset SLURM_CLUSTERS  # From the login node: the commands here are about the cluster that this job runs on.
mapfile -t YODA_HOSTS < <(scontrol show hostnames "${SLURM_JOB_NODELIST-}" 2>/dev/null)
# Newer Slurm tells the end; older ones are asked once, in a format of our choice. Then the walltime counts from now on;
# without one yoda trusts the early signal.
yoda_ask_squeue() {
  [ -n "${SLURM_JOB_ID-}" ] || return 1
  local ends
  ends=$(SLURM_TIME_FORMAT=%s timeout 30 squeue -h -j "$SLURM_JOB_ID" -o %e 2>/dev/null | head -n 1 | tr -d '[:space:]')
  # Where the format is not heard.
  case $ends in [0-9][0-9][0-9][0-9]-[0-9]*T*) ends=$(date -d "$ends" +%s 2>/dev/null) ;; esac
  yoda_take_end "$ends"
}
yoda_take_end "${YODA_END_TIME-}" || yoda_take_end "${SLURM_JOB_END_TIME-}" || yoda_ask_squeue || yoda_take_walltime

yoda_run
code=$?
if [ "$code" -eq 3 ] && [ "$YODA_REQUEUE" = yes ]; then
  yoda_say "not complete: back into the queue"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
