// SPDX-License-Identifier: MIT
#include "compiler/dialects/lm/dialect.h"
