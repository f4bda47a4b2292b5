#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Yoda on PBS (OpenPBS, PBS Pro, Torque): one Droid per node, and rank 0 beside the Droid of the first node.
#
# By hand:  edit the lines marked EDIT, then   qsub -v YODA_RUN=/path/to/run,YODA=/path/to/yoda jobscripts/pbs/yoda.sh
# (a PBS job does not inherit PATH; YODA, and YODA_SETUP for modules, may also be set below).
# By harvest submit: nothing to edit; it passes options and variables itself (docs/operations.md).
# Many runs as an array: qsub -J 1-20 -v YODA_RUN_LIST=/path/to/list ...; line N of the list is the run of task N.
# The same job again, or a rerun one, goes on where the last one stopped.
#
#PBS -N yoda
#PBS -l select=2:ncpus=128:mpiprocs=1
#PBS -l place=scatter:excl
#PBS -l walltime=01:00:00
#PBS -j oe
#PBS -r y
# EDIT above: nodes and cores of a node, walltime. EDIT, where the site wants them (one # less, and a $PBS line each):
##PBS -A PROJECT
##PBS -q workq
#
# EDIT: where things are. Variables given from outside win; run_yoda.sh lists them all.
: "${YODA_JOBSCRIPTS:=${PBS_O_WORKDIR:-.}/jobscripts}"      # the folder with run_yoda.sh
: "${YODA:=yoda}"                                           # the program, if it is not in PATH
: "${YODA_SETUP:=}"                                         # file to source: module load ..., export ...
: "${YODA_SCRATCH:=}"                                       # node scratch; empty: $TMPDIR or /tmp
: "${YODA_WALLTIME_S:=}"                                    # walltime of this job in seconds; empty: asked of qstat

cd "${PBS_O_WORKDIR:-.}" || exit 4
# shellcheck source=../run_yoda.sh
. "$YODA_JOBSCRIPTS/run_yoda.sh" || { echo "YODA_JOBSCRIPTS=$YODA_JOBSCRIPTS has no run_yoda.sh" >&2; exit 4; }

index=${PBS_ARRAY_INDEX:-${PBS_ARRAYID-}}
if [ -n "${YODA_RUN_LIST-}" ] && [ -n "$index" ]; then
  YODA_RUN=$(sed -n "${index}p" "$YODA_RUN_LIST")
fi
if [ -z "${PBS_JOBID-}" ] && [ -z "${YODA_DRY_RUN-}" ]; then
  yoda_say "this is no PBS job: submit it with qsub" >&2
  exit 2
fi
# PBS gives no warning before the limit, so yoda must know the end from the start.
if ! yoda_take_end "${YODA_END_TIME-}"; then
  if [ -z "$YODA_WALLTIME_S" ] && [ -n "${PBS_JOBID-}" ]; then
    limit=$(timeout 30 qstat -f "$PBS_JOBID" 2>/dev/null | sed -n 's/.*Resource_List.walltime *= *//p' | head -n 1)
    if [[ $limit =~ ^([0-9]+):([0-9]+):([0-9]+)$ ]]; then
      YODA_WALLTIME_S=$((10#${BASH_REMATCH[1]} * 3600 + 10#${BASH_REMATCH[2]} * 60 + 10#${BASH_REMATCH[3]}))
    fi
  fi
  yoda_take_walltime
fi
# The wrapper of Slurm's Torque commands makes no node file; its own program does.
if [ -z "${PBS_NODEFILE-}" ] && command -v generate_pbs_nodefile >/dev/null; then
  PBS_NODEFILE=$(generate_pbs_nodefile)
fi
mapfile -t YODA_HOSTS < <(awk 'NF && !seen[$1]++ {print $1}' "${PBS_NODEFILE:-/dev/null}")
YODA_LAUNCHER=mpirun
# An Open MPI without PBS's TM library starts its daemons by pbs_tmrsh, where there is one; else by ssh.
if [ -z "${SLURM_JOB_ID-}" ] && command -v pbs_tmrsh >/dev/null; then
  export OMPI_MCA_plm=rsh OMPI_MCA_plm_rsh_agent="$YODA_JOBSCRIPTS/pbs/tmrsh.sh"
fi

yoda_run
exit $?
