#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Yoda on this machine, without a batch system: mpirun with the right options, in the foreground.
#
# By hand:  YODA_RUN=/path/to/run jobscripts/local/yoda.sh      By harvest submit --batch local: in the background.
# YODA_WALLTIME_S ends it after so many seconds; the same command again goes on where it stopped.
: "${YODA_JOBSCRIPTS:=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
# shellcheck source=../run_yoda.sh
. "$YODA_JOBSCRIPTS/run_yoda.sh" || { echo "YODA_JOBSCRIPTS=$YODA_JOBSCRIPTS has no run_yoda.sh" >&2; exit 4; }
YODA_HOSTS=(localhost)
YODA_LAUNCHER=mpirun
yoda_take_walltime
yoda_run
exit $?
