#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Open MPI calls this as it would call ssh: HOST, then one command line. pbs_tmrsh takes no line, but a program's words.
host=$1
shift
exec pbs_tmrsh "$host" /bin/sh -c "$*"
