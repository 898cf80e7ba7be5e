// SPDX-License-Identifier: MIT
#ifndef KVASIR_PASSES_CODEGEN_LINK_H
#define KVASIR_PASSES_CODEGEN_LINK_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace kvasir {

/// Links objects, and what every plugin needs beside them, into a shared object that imports nothing, exports
/// `kvasir_plugin`, and has no writable data once it is relocated. A symbol that nothing defines is an error by its
/// name.
///
/// The linker needs a file to write to: it is made beside `path`, and is gone when this returns or a signal ends the
/// process. One link at a time: lld's state is global.
llvm::Expected<llvm::SmallVector<char, 0>> linkPlugin(llvm::ArrayRef<llvm::SmallVector<char, 0>> objects,
                                                      llvm::StringRef path);

} // namespace kvasir

#endif
