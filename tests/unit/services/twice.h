/* SPDX-License-Identifier: MIT
 * A service that doubles numbers, for tests. */
#ifndef KVASIR_TESTS_UNIT_SERVICES_TWICE_H
#define KVASIR_TESTS_UNIT_SERVICES_TWICE_H

typedef struct twice_table {
  float (*twice)(float number);
} twice_table;

#endif
