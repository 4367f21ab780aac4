/*
 * Singular values by LAPACK's one-sided Jacobi (dgesvj), for the benchmark. The library is loaded when the program runs, so
 * that building it needs a C compiler alone.
 *
 * Arguments: rows, columns, the matrix's file (doubles, column by column). For every byte 'r' on standard input it computes the singular values
 * of a fresh copy and writes one line: seconds of processor time, seconds on the clock. For 's' it writes the values found last.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef void dgesvj_t(const char *joba, const char *jobu, const char *jobv, const int *m, const int *n, double *a,
                      const int *lda, double *sva, const int *mv, double *v, const int *ldv, double *work,
                      const int *lwork, int *info);

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *sought(size_t bytes) {
  void *p = malloc(bytes);
  if (!p) exit(4);
  return p;
}

int main(int argc, char **argv) {
  void *lapack = dlopen("liblapack.so.3", RTLD_NOW);
  if (!lapack || argc != 4) return 3;
  dgesvj_t *dgesvj = (dgesvj_t *)dlsym(lapack, "dgesvj_");
  if (!dgesvj) return 3;
  const int m = atoi(argv[1]), n = atoi(argv[2]), one = 1, none = 0;
  const size_t size = (size_t)m * (size_t)n;
  double *given = sought(size * sizeof(double)), *a = sought(size * sizeof(double));
  double *values = sought((size_t)n * sizeof(double)), v = 0;
  const int lwork = m + n > 6 ? m + n : 6;
  double *work = sought((size_t)lwork * sizeof(double));
  FILE *file = fopen(argv[3], "rb");
  if (!file || fread(given, sizeof(double), size, file) != size) return 4;
  fclose(file);
  puts("ready");
  fflush(stdout);
  for (int c; (c = getchar()) != EOF;) {
    if (c == 'r') {
      const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
      int info = 0;
      memcpy(a, given, size * sizeof(double));
      dgesvj("G", "N", "N", &m, &n, a, &m, values, &none, &v, &one, work, &lwork, &info);
      if (info != 0) return 5;
      for (int i = 0; i < n; i++) values[i] *= work[0];
      printf("%.9f %.9f\n", seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, seconds(CLOCK_MONOTONIC) - wall);
    } else if (c == 's') {
      for (int i = 0; i < n; i++) printf("%.17g%c", values[i], i + 1 < n ? ' ' : '\n');
    }
    fflush(stdout);
  }
  return 0;
}
