// SPDX-License-Identifier: MIT
#include "compiler/passes/codegen/freestanding/archive.h"

// .incbin: the file is built, so nobody should have to look at its bytes in source form.
__asm__(".section .rodata\n"
        ".balign 16\n"
        "kvasir_archive_begin: .incbin \"" KVASIR_ARCHIVE_PATH "\"\n"
        "kvasir_archive_end: .byte 0\n"
        ".previous\n");

extern "C" __attribute__((visibility("hidden"))) const char kvasir_archive_begin[], kvasir_archive_end[];

llvm::ArrayRef<char> kvasir::freestandingArchive() { return {kvasir_archive_begin, kvasir_archive_end}; }
