/* SPDX-License-Identifier: MIT
 *
 * The table of service "onednn-gemm" (kvasir/service.h): products of many rows with a panel of weights,
 * result[rows][columns] = activations[rows][depth] * panel[depth][columns], on the thread that asks.
 *
 * Generated code unpacks a panel into the layout that the service names, and multiplies it with blocks of rows.
 * Elements are f32, or bf16 where the machine multiplies them; results are f32. Every sum's order is the library's own.
 */
#ifndef KVASIR_BACKENDS_ONEDNN_GEMM_H
#define KVASIR_BACKENDS_ONEDNN_GEMM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ONEDNN_GEMM_NAME "onednn-gemm"
#define ONEDNN_GEMM_VERSION 1

enum { ONEDNN_GEMM_F32 = 0, ONEDNN_GEMM_BF16 = 1 };

/* Rows of a block. A call's rows are taken in blocks of so many; the last block has what is left, once that is less
 * than ONEDNN_GEMM_LAST, since a few rows are as slow as many. */
#define ONEDNN_GEMM_ROWS 128
#define ONEDNN_GEMM_LAST (ONEDNN_GEMM_ROWS + 32)

/* Fewer rows than these are as fast or faster in generated code: of panels in bf16, and in f32. */
#define ONEDNN_GEMM_LEAST 32
#define ONEDNN_GEMM_LEAST_F32 128

/* Columns of a panel are a multiple of this; its memory has room for a multiple of ONEDNN_GEMM_ROOM. */
#define ONEDNN_GEMM_COLUMNS 32
#define ONEDNN_GEMM_ROOM 64

/* Where element (k, n) of a panel lies: step s = k / per_step, byte
 *   n / block_columns * block_bytes + s * step_bytes + (n % block_columns * per_step + k % per_step) * bytes of an
 * element, where per_step is 1 for f32 and 2 for bf16. block_columns is a multiple of 16. */
typedef struct onednn_gemm_panel {
  int64_t block_columns, block_bytes, step_bytes;
} onednn_gemm_panel;

typedef struct onednn_gemm_table {
  uint32_t size;
  uint32_t reserved;
  /* Can `rows` rows be multiplied, in their blocks, with panels of every multiple of 32 columns up to `columns`? 1 or
   * 0, for good: the same to every thread and in every call. The first call for a shape makes its code, in 0.02 to 10
   * ms. */
  int32_t (*can)(uint32_t element, int64_t depth, int64_t columns, int64_t rows);
  /* The layout of such a panel, after `can` said so. Valid for good. */
  const onednn_gemm_panel *(*panel)(uint32_t element, int64_t depth, int64_t columns);
  /* Multiplies one block of rows, after `can` said so for rows that have such a block. Activations and result lie row
   * by row without gaps. May write to the panel's room. Does not fail, and may be called by several threads at once. */
  void (*multiply)(uint32_t element, int64_t depth, int64_t columns, int64_t rows, const void *activations, void *panel,
                   float *result);
} onednn_gemm_table;

#ifdef __cplusplus
}
#endif

#endif
