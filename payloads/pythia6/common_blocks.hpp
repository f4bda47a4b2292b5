// SPDX-License-Identifier: Apache-2.0
// PYTHIA 6's common blocks as C++ sees them: Fortran's column-major arrays have their
// indices turned round here.
#pragma once

extern "C" {

extern struct {
    int N, NPAD;
    int K[5][4000];
    double P[5][4000], V[5][4000];
} pyjets_;
extern struct {
    int MSTU[200];
    double PARU[200];
    int MSTJ[200];
    double PARJ[200];
} pydat1_;
extern struct {
    int MSTP[200];
    double PARP[200];
    int MSTI[200];
    double PARI[200];
} pypars_;
extern struct {
    int MSEL, MSELPD, MSUB[500], KFIN[81][2];
    double CKIN[200];
} pysubs_;
extern struct {
    int MRPY[6];
    double RRPY[100];
} pydatr_;
extern struct {
    int IDBMUP[2];
    double EBMUP[2];
    int PDFGUP[2], PDFSUP[2], IDWTUP, NPRUP;
    double XSECUP[100], XERRUP[100], XMAXUP[100];
    int LPRUP[100];
} heprup_;
extern struct {
    int NUP, IDPRUP;
    double XWGTUP, SCALUP, AQEDUP, AQCDUP;
    int IDUP[500], ISTUP[500], MOTHUP[500][2], ICOLUP[500][2];
    double PUP[500][5], VTIMUP[500], SPINUP[500];
} hepeup_;

void pyinit_(char const* frame, char const* beam, char const* target, double* energy_gev, long, long, long);
void pyevnt_();
void pyupev_();
void pyupin_();
int pycomp_(int* particle);
void yoda_flush_fortran_output();
}
