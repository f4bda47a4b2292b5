# SPDX-License-Identifier: Apache-2.0
# Leaves out the routines that process.cpp has instead, and turns the one bare STOP into a call of PYSTOP.
/^ +SUBROUTINE (UPINIT|UPEVNT|PYSTOP)([^A-Z]|$)/ { skipping = 1 }
!skipping { sub(/^ +STOP *$/, "      CALL PYSTOP(0)"); print }
skipping && /^ +END *$/ { skipping = 0 }
