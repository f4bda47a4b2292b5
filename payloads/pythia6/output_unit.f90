! SPDX-License-Identifier: Apache-2.0
! Writes out what PYTHIA's prints left in Fortran's buffer; without it every forked worker would print it again.
subroutine yoda_flush_fortran_output() bind(c)
  use, intrinsic :: iso_fortran_env, only: output_unit
  flush (output_unit)
end subroutine
