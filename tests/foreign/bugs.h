/* SPDX-License-Identifier: MIT
 * What can be wrong with transformer.c: -DKV_BUG=BUG_… chooses one. Those up to BUG_OTHER_SEQUENCE and
 * BUG_NONDETERMINISTIC are in calls that add several tokens to a sequence; decode is right. */
#ifndef KVASIR_TESTS_FOREIGN_BUGS_H
#define KVASIR_TESTS_FOREIGN_BUGS_H

enum {
  BUG_NONE,
  BUG_SKIPS_V,              /* the rows of v in layer 3 are not written */
  BUG_SKIPS_ROW_0,          /* the first row of the call is not written */
  BUG_LAST_ONLY,            /* only the last row of the call is written */
  BUG_FROZEN,               /* all rows are written where the first belongs */
  BUG_OFF_BY_ONE,           /* each row is written one further */
  BUG_LAYER_3_INTO_4,       /* the rows of layer 3 are written into layer 4, which then overwrites them */
  BUG_K_INTO_V,             /* v gets the rows of k */
  BUG_UNDECLARED,           /* v in layer 3: also writes the row before the call's, which prepare does not declare */
  BUG_BEYOND,               /* k in layer 3: also writes the row after the call's */
  BUG_PADDED,               /* the tail is padded to 8 tokens, and the padding's rows are written too */
  BUG_NOT_CAUSAL,           /* a token attends to all rows of its call */
  BUG_OLD_CACHE,            /* attends before it appends: to what the rows held before */
  BUG_OTHER_SEQUENCE,       /* v in layer 3: rows go to the next sequence of the batch */
  BUG_NONDETERMINISTIC,     /* attention sums its rows in an order that depends on the clock */
  BUG_REGISTER_NOT_WRITTEN, /* the register that prepare declares is not written */
  BUG_REGISTER_ON_ERROR,    /* a cancelled call leaves what it has in the register's committed value */
  /* Of numbers: every call does the same, so no audit can tell. Another plugin can (kvasir diff). */
  BUG_FIVE_TOKENS, /* calls that add 5 tokens: an output of the upper projection of layer 2 is wrong */
  BUG_ROPE_BASE,   /* keys turn at a quarter of the pace */
  BUG_SWAPPED,     /* k and v are written into each other */
  BUG_WEIGHT       /* one number of the matrix of values of layer 3 is wrong */
};

#ifndef KV_BUG
#define KV_BUG BUG_NONE
#endif

#define HAS_BUG(name) (KV_BUG == BUG_##name)

#endif
