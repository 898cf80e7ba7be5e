// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_CODEGEN_ARCHIVE_H
#define KVASIR_PASSES_CODEGEN_ARCHIVE_H

#include "llvm/ADT/ArrayRef.h"

namespace kvasir {

/// The library of this folder's C files, as the linker takes it.
llvm::ArrayRef<char> freestandingArchive();

} // namespace kvasir

#endif
