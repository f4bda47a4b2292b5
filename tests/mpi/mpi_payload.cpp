// SPDX-License-Identifier: Apache-2.0
// A payload that is an MPI program itself: writes "rank R of N" into the file it is told.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdio>

int main(int argc, char** argv)
{
    if (argc != 2 || MPI_Init(&argc, &argv) != MPI_SUCCESS) return 2;
    int rank = 0;
    int count = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    std::FILE* const file = std::fopen(argv[1], "w");
    if (!file) return 3;
    std::fprintf(file, "rank %d of %d\n", rank, count);
    if (std::fclose(file) != 0) return 4;
    return MPI_Finalize();
}
